"""Tests with a real PostgreSQL, in the folders of the code; `schema` tests the packaged tables."""
