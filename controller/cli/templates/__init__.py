"""`dashdb templates`: commands and their output."""
