"""`sipgw doctor`: finds out why a trunk or a provider does not work, and says which line to change."""
