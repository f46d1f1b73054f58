"""Reading what a schema holds."""
