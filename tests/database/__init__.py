"""What needs a real PostgreSQL, in the folders of the code; `schema` holds the packaged tables."""
