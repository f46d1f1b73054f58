"""What Prometheus itself says of our metrics, alerts and panels; no cluster and no database is needed."""
