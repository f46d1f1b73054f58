"""Plans: the files that run, their order, and the data that they may lose. Pure."""
