"""Calls kept as files, and played again to the code as it is now."""
