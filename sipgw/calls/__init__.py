"""Calls that are going on."""
