"""Contenders of `benchmarks.pool`, each a program of its own."""
