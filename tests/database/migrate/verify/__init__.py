"""Running every migration up and down in a scratch database."""
