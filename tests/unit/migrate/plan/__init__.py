"""Plans, and the data that they may lose."""
