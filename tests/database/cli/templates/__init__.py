"""`dashdb templates` against a real PostgreSQL."""
