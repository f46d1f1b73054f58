"""dashboard-database-operator: keeps the PostgreSQL database behind a dashboards service as it should be.

cli          the commands; here everything is built and wired together
settings     environment variables            errors    what can go wrong, as a tree
database_url what settings read               tls_files the files that a URL names
resource     the custom resource, pure        signals, durations, logs, memory    small helpers of the edge
database     the asyncpg edge                 migrate, templates, health  side by side on it
reconcile    gather -> decide -> act -> outcome, on those three
operator     the kopf edge, on reconcile      sidecar   one database, migrated, seeded and watched
web          the aiohttp edge, reads what health keeps
"""

__version__ = "0.1.0"
"""Of the release; stated here, since looking it up among the installed packages takes longer than most commands."""
