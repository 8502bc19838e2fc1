"""Errors that the person who runs the gateway can mend."""


class OperatorError(Exception):
    """The message is one line that says what is wrong and what to do; commands print it without a traceback."""
