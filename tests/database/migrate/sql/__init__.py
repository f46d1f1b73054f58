"""SQL text, judged by PostgreSQL's own parser."""
