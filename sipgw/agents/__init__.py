"""Agents: personas with their providers, tools and knowledge."""
