"""Redaction of private data."""
