"""Files that are kept of calls, from their consent to their removal."""
