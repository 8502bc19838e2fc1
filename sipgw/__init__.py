"""sipgw: a SIP/RTP gateway for AI phone agents."""

__version__ = "0.1.0"
