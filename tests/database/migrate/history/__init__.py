"""The history table, written by hand and taken over from golang-migrate."""
