"""The packaged tables, their rules, their indexes and the everyday statements."""
