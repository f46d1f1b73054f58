"""Failures, login messages and Secrets, without a server."""
