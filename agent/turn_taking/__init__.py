"""Turn-taking: one machine decides by evidence when the agent listens, waits, answers, pauses and goes on. Sans-IO."""
