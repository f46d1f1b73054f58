"""Real parts for tests, demo and benchmarks: found or built, started, and ended for certain."""
