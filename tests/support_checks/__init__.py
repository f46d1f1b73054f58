"""Tests of `tests/support` and of the builds behind the demo."""
