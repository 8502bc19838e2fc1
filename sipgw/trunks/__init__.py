"""Trunks and their state."""
