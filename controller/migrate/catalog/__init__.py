"""What a schema holds: read, recorded, and compared."""
