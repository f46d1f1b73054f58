"""`dashdb migrate` against a real PostgreSQL."""
