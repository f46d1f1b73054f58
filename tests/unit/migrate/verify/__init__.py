"""Tests of how the check of down migrations is divided."""
