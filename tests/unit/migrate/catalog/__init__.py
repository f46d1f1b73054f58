"""Differences between two catalogs."""
