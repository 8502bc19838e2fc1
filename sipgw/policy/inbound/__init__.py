"""Who may call in, how often, and who is turned away."""
