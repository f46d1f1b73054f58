"""Proof that each down migration undoes its up migration, in a scratch database."""
