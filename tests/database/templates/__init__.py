"""Seeding of system templates into a real PostgreSQL."""
