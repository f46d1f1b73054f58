"""Texts of squashing: what pg_dump writes in, two files out."""
