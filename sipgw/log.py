"""Logging: every line is an event with fields; the call it belongs to comes from a context variable."""

import logging
import re
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

import structlog

_CREDENTIAL = re.compile(
    r"(?i)((?:proxy-)?authorization\s*[:=]\s*)[^\r\n]+"
    r"|((?:api[-_]?key|xi-api-key|password|token|secret)[\"']?\s*[:=]\s*[\"']?)[^\s\"',&]+"
    r"|\bsk[-_][A-Za-z0-9_-]{16,}"
    r"|(\binline:)[A-Za-z0-9+/]{16,}"  # a=crypto of a session description (RFC 4568)
)


@dataclass(frozen=True)
class LogOptions:
    """How the gateway logs."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe event that is written."""
    format: Literal["console", "json"] = "console"
    """`console` for people, `json` (one object a line) for machines."""


def redact(text: str) -> str:
    """Mask what looks like a credential in `text`."""
    return _CREDENTIAL.sub(lambda match: (match[1] or match[2] or match[3] or "") + "***", text)


def _redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


def configure(options: LogOptions) -> None:
    """Set up structlog and the standard library's logging, both to standard error."""
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
            _redact_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Third-party libraries log headers at debug level; they are heard from warning on.
    logging.basicConfig(
        stream=sys.stderr, level=max(level, logging.WARNING), format="%(name)s: %(message)s", force=True
    )
