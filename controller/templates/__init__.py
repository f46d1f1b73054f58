"""System templates: the Perses documents of this release, and their way into the table `dashboard_template`.

    documents/*.json   the four documents
    content            content of a template, and its digest
    shipped            the documents of this release as templates
    merge              decides what to do with each: compares shipped, last seeded and row (pure)
    sections           content of a template as lines for people (pure)
    changes            differences between rows and shipped templates, as a diff (pure)
    seeding            reads the rows over asyncpg, and writes what `merge` decided

The models and rules of such a document are in `tests/perses`: the tests check the four documents, so no
process has to. Nothing here knows of migrations, health, Kubernetes or HTTP; only
`seeding` touches a database.
"""
