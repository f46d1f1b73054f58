"""System templates: the Perses documents that are shipped, and how they get into `dashboard_template`.

    documents/*.json   the four documents
    content            what a template consists of, and its digest
    shipped            the documents of this release as templates
    merge              what to do with each: shipped, last seeded and the row compared (pure)
    changes            what seeding would change, as a diff (pure)
    seeding            the asyncpg edge: read the rows, do what `merge` decided

What such a document may hold, as closed models and rules, is in `tests/perses`: the tests check the four
documents once, so no process has to. Nothing here knows of migrations, health, Kubernetes or HTTP; only
`seeding` touches a database.
"""
