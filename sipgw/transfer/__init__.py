"""Callers are handed over to people."""
