"""What other servers are told of calls."""
