"""What `make release` writes, and the Helm chart."""
