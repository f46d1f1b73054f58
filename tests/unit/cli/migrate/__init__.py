"""`dashdb migrate lint` and `create`, which need no database."""
