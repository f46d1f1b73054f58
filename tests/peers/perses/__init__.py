"""Perses itself judges the system templates: `percli lint` of four releases, and its closed model in CUE.

`plugins/` has, for each release, the schemas of the plugins that our documents use, in the versions which that release
bundles; percli judges nothing but the frame without them. They are the authors' own files, unchanged (Copyright The
Perses Authors, Apache License 2.0; github.com/perses/plugins, shared, spec and perses), put into one plugin that loads
them all; its package.json names their versions.
"""
