"""Logging: every line is an event with fields; the call it belongs to comes from a context variable."""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from sipgw.config.log import LogOptions

# What is between quotation marks ends at the same mark, also if it has others, or escaped ones, in it.
_CREDENTIAL = re.compile(
    r"(?i)(authorization\s*[:=]\s*)[^\r\n]+"
    r"|(authorization\\*[\"']\s*[:,]\s*b?(\\*[\"']))(?:(?!(?<!\\)\3)[^\r\n])+"  # of headers in an error
    r"|((?:api[-_]?key|password|token|secret)\\*[\"']?\s*[:=]\s*(\\*[\"']))(?:(?!(?<!\\)\5)[^\r\n])+"
    r"|((?:api[-_]?key|password|token|secret)[\"']?\s*[:=]\s*)[^\s\"',&]+"
    r"|\bsk[-_][A-Za-z0-9_-]{16,}"
    r"|(\binline:)[A-Za-z0-9+/]{16,}"  # a=crypto in a session description (RFC 4568)
)

DEEPEST = 4
"""Levels of a nested value that are masked."""


def redact(text: str) -> str:
    """Mask what looks like a credential in `text`."""
    return _CREDENTIAL.sub(lambda match: (match[match.lastindex] if match.lastindex else "") + "***", text)


def masking(private: Callable[[str], str]) -> Processor:
    """A processor that masks credentials and private data (`private`) in all values of an event."""

    def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if key in ("call", "leg") and isinstance(value, str):
                event[key] = redact(value)  # some digits of an identity are a valid number by chance
            elif key not in ("timestamp", "level"):
                event[key] = _masked(value, private, DEEPEST)
        return event

    return mask


def _masked(value: Any, private: Callable[[str], str], levels: int) -> Any:
    if isinstance(value, str):
        return private(redact(value))
    if levels and isinstance(value, dict):
        return {key: _masked(item, private, levels - 1) for key, item in value.items()}
    if levels and isinstance(value, list | tuple):
        return [_masked(item, private, levels - 1) for item in value]
    return value


def configure(options: LogOptions, private: Callable[[str], str] = str) -> None:
    """Set up structlog and the standard library's logging, both to standard error.

    `private` removes private data from every text: see `sipgw.records.privacy.redaction`.
    """
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if options.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=20)
    )
    level = getattr(logging, options.level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            masking(private),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Third-party libraries log headers at debug level; they are logged from warning on.
    logging.basicConfig(
        stream=sys.stderr, level=max(level, logging.WARNING), format="%(name)s: %(message)s", force=True
    )
