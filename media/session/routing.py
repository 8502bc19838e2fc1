"""Routes of sound in a conference of three: see `media.session.mixer`."""

from enum import IntFlag


class Route(IntFlag):
    """Routes of sound in a conference."""

    AGENT_TO_CALLER = 1
    THIRD_TO_CALLER = 2
    CALLER_TO_THIRD = 4
    AGENT_TO_THIRD = 8
    CALLER_TO_AGENT = 16
    THIRD_TO_AGENT = 32
    """The agent hears the third on the caller's line."""
    THIRD_APART = 64
    """The gateway gets the third's sound by itself."""
    COVERT = 128
    """The caller does not know of the third: what may not be kept is not heard by them either."""


AGENT_SPEAKS = Route.AGENT_TO_CALLER | Route.AGENT_TO_THIRD
