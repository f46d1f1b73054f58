"""SQL as text: cutting it into statements, telling what a statement does, quoting."""
