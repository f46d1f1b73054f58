"""One table of faults: what the product says of each, how long it takes, what else notices, and what is left over."""
