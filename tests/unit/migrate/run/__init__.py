"""Batches of statements and of files that share one round trip."""
