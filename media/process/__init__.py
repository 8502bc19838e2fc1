"""The media process, the pipe to it, and the side of it that the gateway uses."""
