"""The agent: listens, thinks and speaks on any line. It does not know that there is a telephone."""
