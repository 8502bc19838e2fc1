"""Keys that the tables of all providers have. What a provider takes beyond its options is passed on by `extra`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Any

SIZE = 8000
"""Characters of the table as JSON."""
DEPTH = 5
"""Tables and lists within each other."""
RESERVED = frozenset(
    (
        *(
            "authorization",
            "callback",
            "context_id",
            "encoding",
            "engine",
            "input_format",
            "messages",
            "model",
            "model_id",
        ),
        *("output_format", "redact", "redact_pii", "redact_pii_policies", "redact_pii_sub", "response_format"),
        *("sample_rate", "speech_model", "store", "stream", "stream_format", "tools", "voice_id"),
    )
)
"""Names that `extra` cannot have at its top, however they are written (`output_format`, `OutputFormat`): options decide
on them, the gateway depends on them, or privacy does."""
_RESERVED = frozenset(name.replace("_", "") for name in RESERVED)
FIXED: Mapping[str, bool] = MappingProxyType({"fixed": True})
"""Metadata of a field that tests change and a configuration does not."""


def check(extra: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a table that is too large or too deep, is no JSON, or has a reserved name."""
    if reserved := sorted(name for name in extra if name.lower().replace("_", "") in _RESERVED):
        raise ValueError(f"extra cannot have {reserved[0]!r}: the gateway decides on it")
    try:
        size = len(json.dumps(extra, allow_nan=False))
    except (TypeError, ValueError):
        raise ValueError("extra holds texts, finite numbers, true and false, lists and tables only") from None
    if _depth(extra) > DEPTH or size > SIZE:
        raise ValueError(f"extra holds at most {SIZE} characters, in at most {DEPTH} tables within each other")


def number(extra: Mapping[str, Any], name: str, usual: float, least: float = 0.0, most: float = inf) -> float:
    """The number `name` of `extra`, from `least` to `most`; raises `ValueError` for anything else."""
    value = extra.get(name, usual)
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"extra: {name} must be a number" + (f" from {least:g} to {most:g}" if most < inf else ""))
    return float(value)


@dataclass(frozen=True)
class ProviderOptions:
    """Keys of every provider's table. The defaults of `url`, `model` and `voice_id` are its own."""

    api_key: str = field(default="", repr=False)
    """The account's key. A server of your own often takes any."""
    url: str = ""
    """Where the service is; another one keeps the data in a region, or is a compatible server. See its page."""
    model: str = ""
    """The model, by the provider's name."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False, hash=False)
    """Further parameters of the request, by the provider's names and in its units; they replace the gateway's own."""

    def __post_init__(self) -> None:
        check(self.extra)


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list | tuple) else 0


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with `extra`, table by table; what both have is that of `extra`."""
    both = dict(body)
    for key, value in extra.items():
        before = both.get(key)
        both[key] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return both


def in_query(pairs: Mapping[str, Any] | list[tuple[str, Any]], extra: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Parameters of a URL with those of `extra`, which replace others of their name; a list is one for each item."""
    given = pairs.items() if isinstance(pairs, Mapping) else pairs
    both = [(name, str(value)) for name, value in given if name not in extra]
    return [*both, *((name, text) for name, value in extra.items() for text in _texts(value))]


def _texts(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        yield item if isinstance(item, str) else json.dumps(item)
