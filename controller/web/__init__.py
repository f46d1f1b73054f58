"""HTTP endpoints: probes, health and metrics. They show the reports that `health` keeps, and ask no database."""
