"""`dashdb templates`: the commands and their output."""
