"""Replays recorded calls with the present code."""
