"""Several gateways as one: they share state in Redis. Without Redis each works alone."""
