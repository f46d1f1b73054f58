"""Running migration files: in a transaction, without one, and several in one message."""
