"""Roles of a dashboards service with the rights that they need and no more: as SQL, or granted."""
