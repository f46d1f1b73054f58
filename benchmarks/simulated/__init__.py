"""Simulated PostgreSQL servers: answers of a real one, recorded once and given again for any number of databases."""
