"""The migration engine on a real PostgreSQL."""
