"""The health check of a real PostgreSQL."""
