"""One check, the verdict on it, and where the latest results are kept for whoever asks."""
