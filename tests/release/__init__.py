"""Tests of the Helm chart, and of the files that `make release` writes."""
