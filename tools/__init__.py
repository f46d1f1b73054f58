"""Programs for maintainers: what a release consists of. Nothing of it is part of the wheel.

kustomize  the objects of manifests/, as kubectl renders them
marks      one object as a template of Helm (pure)
chart      the Helm chart, written from these objects
bundle     the bundle for OperatorHub, written from them as well
dashboards the dashboards of the operator's metrics
documents  reference pages, written from the code
version    a new version, wherever it stands
archive    archives that have the same bytes wherever they are made
image      the container image as an archive
release    all of it, into dist/
"""
