"""Applying and reverting files, alone and beside other sessions."""
