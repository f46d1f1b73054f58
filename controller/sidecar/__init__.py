"""The sidecar: one database, migrated and seeded where that was asked for, and watched until it is told to stop.

preparation   brings the database to the wanted state
service       checks it at every interval, and keeps the report that the web server shows
"""
