"""Web server with certificates, which are made by a small program."""
