"""Files of calls, from consent to deletion."""
