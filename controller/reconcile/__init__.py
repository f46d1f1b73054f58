"""The reconciler: brings one database to its desired state, and reports its state.

observed   everything that a decision may see, frozen
observe    reads it from the database, and changes nothing
memory     what one reconcile remembers for the next (pure)
decide     what to do next, or what blocks it (pure)
act        performs one action
findings   the observation, as answers to a person's questions (pure)
reconcile  these in order, until nothing is left to do
limiter    few actions at once
loop       one database: the clock, the pool, and the adapter to the operator or the sidecar
"""
