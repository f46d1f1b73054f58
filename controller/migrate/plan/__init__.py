"""Planning: which files run, in which order, and what data they may lose. Pure."""
