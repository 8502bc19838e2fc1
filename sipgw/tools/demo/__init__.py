"""`sipgw demo`: a built-in caller talks with the embedded agent over real SIP and RTP."""
