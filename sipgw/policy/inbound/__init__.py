"""Admission of incoming calls: networks, accounts, limits, refusals."""
