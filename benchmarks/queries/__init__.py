"""Speed of the statements in docs/reference/schema.md on many rows; run it with `python -m benchmarks.queries`."""
