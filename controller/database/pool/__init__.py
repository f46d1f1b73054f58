"""Pool of connections to one database, with the settings and the statistics of Go's database/sql."""
