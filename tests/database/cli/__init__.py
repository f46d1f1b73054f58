"""Commands as a person types them, against a real PostgreSQL."""
