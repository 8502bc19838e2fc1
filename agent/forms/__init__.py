"""Forms filled in by voice: kinds of fields, how values are said, and which of them the caller has confirmed."""
