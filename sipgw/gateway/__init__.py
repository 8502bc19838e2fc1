"""The gateway: its life cycle, and the composition of all its parts."""
