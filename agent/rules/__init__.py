"""The error of a rule on options; it imports nothing."""
