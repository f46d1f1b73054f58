"""The promises of SECURITY.md, one test or more for each."""
