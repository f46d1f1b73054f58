"""Environment variables, database URLs, certificate files and durations."""
