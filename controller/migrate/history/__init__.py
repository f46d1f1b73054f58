"""The table schema_version: where it is, what it says, and how it is changed."""
