"""The custom resource and its CRD."""
