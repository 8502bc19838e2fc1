"""The media of one call without input or output: packets in, sound out, and the reverse."""
