"""Tests by what they need: `unit` and `perses` nothing, the others a real part that `support` starts."""
