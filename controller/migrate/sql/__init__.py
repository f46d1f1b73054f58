"""SQL as text: cut into statements (lexer, tokens), read by its grammar (token_stream, token_reader), and judged.

statements          what runs alone, waits, may commit, ends a transaction, builds an index CONCURRENTLY
catalog_statements  what only writes the catalog
removed_data        what is dropped or emptied, and what may be (query_effects); summary shows a statement
"""
