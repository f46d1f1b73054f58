"""Migration engine of the operator, the sidecar and the commands: a straight stack of packages.

Each imports only from those below it:

squash   writes one file that stands for several versions
verify   proves each down migration on a scratch database
run      runs files: in a transaction, without one, several in one message
catalog  the objects of a schema: read, recorded when a version is applied, compared
history  the table schema_version: its location, its rows, its changes
plan     which files run, in which order, and what data they may lose (pure)
files    migration files: reading, creating, linting
sql      SQL as text: statements, and what they do (pure)
"""
