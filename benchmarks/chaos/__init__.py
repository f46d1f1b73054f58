"""Faults of the operator, the API server and the database while a migration runs; see `__main__`."""
