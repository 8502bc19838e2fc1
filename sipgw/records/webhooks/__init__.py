"""Webhooks: events of calls for other servers."""
