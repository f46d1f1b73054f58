"""The migration engine without a database."""
