"""One turn: gather, decide, act, and say what came of it.

observed   everything that a decision may see, frozen
gather     the edge that looks: Secrets, server, history, templates
decide     what to do next, and why (pure)
act        does one thing
outcome    what it all means: status, events, when to look again (pure)
session    what is remembered between two turns of one resource
turn       the four in order
"""
