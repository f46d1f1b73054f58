"""The connection pool on a real PostgreSQL, with and without PgBouncer."""
