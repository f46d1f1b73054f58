"""Health: checking a database, judging the result, and keeping the latest reports for the endpoints."""
