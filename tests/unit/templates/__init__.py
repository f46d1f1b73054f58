"""Content, merge and shipped templates."""
