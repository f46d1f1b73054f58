"""Logs and signals."""
