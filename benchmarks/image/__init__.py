"""The image, built from the Dockerfile and run as a Pod runs it: its size, contents, start and memory."""
