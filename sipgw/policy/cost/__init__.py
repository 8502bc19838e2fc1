"""The cost of calls."""
