"""Verdicts and the store of reports."""
