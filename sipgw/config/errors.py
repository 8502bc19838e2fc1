"""Errors that the person who runs the gateway can mend."""


class OperatorError(Exception):
    """The message says in one line, or a line for each fault, what is wrong and what to do; commands print it without a
    traceback."""


class ConfigError(OperatorError):
    """The configuration cannot be used; the message names file, line, key and what to do."""
