"""Table of faults: for each the reason that is reported, the time it takes, and what is left over."""
