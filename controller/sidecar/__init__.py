"""The sidecar: the reconciler for one database, from the options of `dashdb serve` to the endpoints."""
