"""The gate in front of every call out."""
