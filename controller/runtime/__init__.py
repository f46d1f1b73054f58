"""The process itself: signals, logs, the garbage collector."""
