"""`sipgw init`: asks, tries and writes the configuration."""
