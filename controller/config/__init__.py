"""Configuration from outside the cluster: environment variables, a database URL, and the files that it names."""
