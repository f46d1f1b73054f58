"""Which statements and files go in one round trip."""
