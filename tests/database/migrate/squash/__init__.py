"""Squashing on real servers, with PostgreSQL's own pg_dump."""
