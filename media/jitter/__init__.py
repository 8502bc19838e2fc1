"""From packets as they arrive to sound in order: the jitter buffers for recognisers and for people."""
