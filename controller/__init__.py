"""Operator, sidecar and commands that keep the PostgreSQL database of a dashboards service migrated and seeded.

cli        commands; the only place where things are built and wired together
operator   custom resources, by kopf          sidecar   one database, by variables and options
web        probes, health and metrics, by aiohttp
reconcile  observe -> decide -> act, and the loop around it
migrate    migration engine    templates  system templates    health  checks and reports
resource   the custom resource, pure    config  variables, URLs, TLS files
desired    the state that one database is to have
database   connections by asyncpg, and their errors
errors     the error tree    runtime  signals, logs, pauses between tries
"""

__version__ = "0.1.0"
"""Version of the release. It is written here since reading it from the installed package slows every command."""
