"""What the caller's sound is: voice, echo of the agent, background or noise; decided by evidence. Sans-IO."""
