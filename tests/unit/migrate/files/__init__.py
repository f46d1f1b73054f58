"""Migration files: names, checks, creation, rereading."""
