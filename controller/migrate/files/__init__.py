"""Migration files: reading a folder, creating the next pair, linting."""
