"""Connections to PostgreSQL over asyncpg: targets, the pool, TLS, transactions, and errors in our own words."""
