"""Tests that need no server, no cluster and no build, in the folders of the code."""
