"""Carriers played on the loopback, as strict as their documents describe them (November 2026)."""
