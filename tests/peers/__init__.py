"""Other programs, golang-migrate, goose and Go itself, beside ours on the same files."""
