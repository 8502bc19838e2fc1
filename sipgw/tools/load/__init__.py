"""`sipgw load`: many callers at once, and what the gateway made of them."""
