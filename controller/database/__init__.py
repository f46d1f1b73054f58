"""The asyncpg edge: where and how to connect, what the server is, and its errors in our words."""
