"""Forms filled in by voice: what each kind of field is, how it is said, and what of it the caller has confirmed."""
