"""What shows how a call went: messages, packets, moments."""
