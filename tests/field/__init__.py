"""Tests of what users of other projects met; a docstring names the project and its issue where there is one."""
