"""Recorded sentences, for the moment when no voice can be had."""

from functools import cache
from importlib.resources import files

WORDS = {
    "apology": "I am sorry, I have a technical problem. Please call again later. Goodbye.",
    "connecting": "I am sorry, I have a technical problem. One moment, please.",
    "moment": "One moment, please.",
}
"""What is said in each."""


@cache
def recorded(name: str) -> bytes:
    """The sound of that name: mu-law, 8000 samples a second."""
    return (files("agent.sounds") / f"{name}.ulaw").read_bytes()
