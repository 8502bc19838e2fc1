"""Outgoing calls: jobs, callbacks, campaigns and their dialer."""
