"""Commands before they reach a database."""
