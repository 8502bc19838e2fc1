"""Captures of calls: messages, packets, timeline."""
