"""The migration engine: one, for the operator, the sidecar and the commands.

reading     files, lexer and tokens, statements, batches; source reads a folder again when it changes; create, lint
deciding    plan (pure), data_loss; history is what was applied, adoption what golang-migrate says was
running     runner, patience and watch around file_run: transaction, or stepwise with concurrent_index; lock, refusal
writing     records and presence: the table schema_version; quoting
comparing   catalog, catalog_query, differences; row_counts; drift, and verify in a scratch database
"""
