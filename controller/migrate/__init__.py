"""The migration engine: files, plan, history, lock, apply. The operator, the sidecar and the commands use this one."""
