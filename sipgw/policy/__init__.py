"""Who may call in and out, how often, when, and at what cost."""
