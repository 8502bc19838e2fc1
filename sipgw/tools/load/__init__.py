"""`sipgw load`: many callers at once, and the gateway's quality under this load."""
