"""Tests of our metrics, alerts and panels with Prometheus itself; no cluster and no database is needed."""
