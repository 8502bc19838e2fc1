"""`sipgw simulate`: a scripted caller on a bad network with bad providers, and the quality that it experienced."""
