"""History of the migrations: the table schema_version, its location, its rows and its lock."""
