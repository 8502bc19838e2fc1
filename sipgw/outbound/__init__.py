"""Calls that go out: through which trunk, when, and who answered."""
