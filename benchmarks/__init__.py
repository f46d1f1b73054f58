"""Benchmarks behind the figures of the README; each module prints its table, with ratios within one run."""
