"""Faults that users of other tools met in the field, as tests of this one."""
