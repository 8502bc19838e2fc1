"""Keys: received as telephone events or as tones, and sent as either."""
