"""Agents: who answers, with which providers, tools and knowledge."""
