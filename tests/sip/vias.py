"""The Via values of a message: the stack reads the topmost, and only echoes the others."""

from sipgw.sip.fields import Via
from sipgw.sip.message import Message


def vias(message: Message) -> tuple[Via, ...]:
    """All Via values, the topmost first. Raises `FieldError`."""
    return tuple(Via.parse(value) for value in message.headers.all("via"))
