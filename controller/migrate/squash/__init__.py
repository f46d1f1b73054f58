"""Squashing: one file that stands for all versions up to one, written by pg_dump and proven equal."""
