"""Endpoints, metrics and content negotiation."""
