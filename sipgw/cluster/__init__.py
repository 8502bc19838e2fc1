"""Several gateways as one: what they must share they share in Redis. Without it each is by itself."""
