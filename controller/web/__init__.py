"""The aiohttp edge: probes, health, metrics; it reads what `health` keeps and asks no database."""
