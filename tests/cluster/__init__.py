"""The operator and its manifests on a real API server."""
