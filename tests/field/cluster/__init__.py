"""Tests of the operator in a real control plane."""
