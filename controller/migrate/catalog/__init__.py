"""Catalog of a schema: read, recorded and compared."""
