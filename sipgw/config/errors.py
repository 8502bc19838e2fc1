"""Errors that the person who runs the gateway can mend."""

from sipgw.config.public_text import public_message


class OperatorError(Exception):
    """The message says in one line, or a line for each fault, what is wrong and what to do; commands print it without a
    traceback."""


class ConfigError(OperatorError):
    """The configuration cannot be used; the message names file, line, key and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(public_message(message))
