"""Promises of SECURITY.md, one test each, on real parts or against servers that break the rules on purpose."""
