"""Connections, TLS and transactions with real and with scripted servers."""
