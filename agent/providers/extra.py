"""Keys that the tables of all providers have. What a provider takes beyond its options is passed on by `extra`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from agent.rules.rule_error import RuleError

SIZE = 8000
"""Characters of the table as JSON."""
DEPTH = 5
"""Tables and lists within each other."""
RESERVED = frozenset(
    (
        *("authorization", "callback", "context_id", "encoding", "engine", "input_format", "messages", "model"),
        *("model_id", "output_format", "response_format", "sample_rate", "speech_model", "store", "stream"),
        *("stream_format", "tool_choice", "tools", "voice_id", "webhook", "webhook_url"),
    )
)
"""Names that `extra` cannot have at its top, however they are written (`output_format`, `OutputFormat`), nor any that
begins with `redact`: options decide on them, the gateway depends on them, or privacy does."""
FIXED: Mapping[str, bool] = MappingProxyType({"fixed": True})
"""Metadata of a field that tests change and a configuration does not."""

HTTP = ("https://", "http://")
WEBSOCKET = ("wss://", "ws://")
Path = tuple[str, ...]


class Limits(NamedTuple):
    """The numbers that a provider takes for a parameter, both ends included."""

    least: float
    most: float
    unit: str = ""
    """Its unit, such as milliseconds, in whole numbers; empty for any number."""


def milliseconds(least: int, most: int = 60_000) -> Limits:
    """`Limits` of a time. Seconds by mistake are below `least`."""
    return Limits(least, most, "milliseconds")


def check(
    extra: Mapping[str, Any], decided: tuple[str, ...] = (), limits: Mapping[str, Limits] = MappingProxyType({})
) -> None:
    """Raise `RuleError` for a table that is too large or too deep or is no JSON, for a reserved name or one of the
    paths `decided`, and for a number beyond the `limits` of its path.
    """
    try:
        size = len(json.dumps(extra, allow_nan=False))
    except (TypeError, ValueError):
        raise RuleError("holds texts, finite numbers, true and false, lists and tables only", "extra") from None
    if _depth(extra) > DEPTH or size > SIZE:
        raise RuleError(f"holds at most {SIZE} characters, in at most {DEPTH} tables within each other", "extra")
    reserved: list[Path] = [
        (name,) for name in extra if _letters(name) in _RESERVED or _letters(name).startswith("redact")
    ]
    reserved += [found[0] for path in decided if (found := _found(extra, path))]
    if reserved:
        raise RuleError("cannot be set: the gateway decides on it", ("extra", *reserved[0]))
    for path, (least, most, unit) in limits.items():
        found = _found(extra, path)
        if found and not (_is_number(found[1], whole=bool(unit)) and least <= found[1] <= most):
            kind = f"a whole number of {unit}" if unit else "a number"
            raise RuleError(f"must be {kind} from {least:g} to {most:g}", ("extra", *found[0]))


def is_address(url: str) -> bool:
    """Whether `url` names a host whose name can be looked up, and no port beyond 1 to 65535."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        return bool(host) and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        return False


def one_of(extra: Mapping[str, Any], path: str, values: tuple[str, ...]) -> None:
    """Raise `RuleError` if the parameter at `path` is there and none of `values`."""
    found = _found(extra, path)
    if found and found[1] not in values:
        raise RuleError(f"must be one of {', '.join(values)}", ("extra", *found[0]))


def _letters(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


_RESERVED = frozenset(map(_letters, RESERVED))


def _found(extra: Mapping[str, Any], path: str) -> tuple[Path, Any] | None:
    """The keys under which the parameter at `path` stands, however they are written, and its value; None without it."""
    keys: Path = ()
    value: Any = extra
    for name in path.split("."):
        if not isinstance(value, Mapping):
            raise RuleError("must be a table", ("extra", *keys))
        key = next((key for key in value if _letters(key) == _letters(name)), None)
        if key is None:
            return None
        keys, value = (*keys, key), value[key]
    return keys, value


def _is_number(value: object, *, whole: bool) -> bool:
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool)


def number(extra: Mapping[str, Any], name: str, usual: float) -> float:
    """The number `name` of a table that was checked."""
    return float(extra.get(name, usual))


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
    """Further parameters of the request, by the provider's names and in its units; they replace the gateway's own. An
    empty text takes back one of another file."""
    schemes: ClassVar[tuple[str, ...]] = ()
    """With which `url` begins; empty for those of the same kind as its default."""
    decided: ClassVar[tuple[str, ...]] = ()
    """Paths of parameters that `extra` cannot have: an option or the gateway decides on them."""
    limits: ClassVar[Mapping[str, Limits]] = MappingProxyType({})
    """Paths of parameters of `extra`, and the numbers that the provider takes."""

    def __post_init__(self) -> None:
        usual = type(self).url
        schemes = self.schemes or next((kind for kind in (HTTP, WEBSOCKET) if usual.startswith(kind)), ())
        if schemes and self.url and not self.url.startswith(schemes):
            raise RuleError(f"must begin with {schemes[0]}", "url")
        if self.url and not is_address(self.url):
            raise RuleError(f"must be like {schemes[0] if schemes else 'https://'}example.com", "url")
        object.__setattr__(self, "extra", _given(self.extra))
        check(self.extra, self.decided, self.limits)

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        return self.url

    def through(self, proxy: str) -> Self:
        """The same with requests to `proxy`, which passes them on to `endpoint` under its name."""
        return replace(self, url=proxy)


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    """`table` without empty texts: with one an agent's file takes back what the gateway's file names."""
    return {key: _given(one) if isinstance(one, Mapping) else one for key, one in table.items() if one != ""}


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


def query_of(url: str) -> tuple[str, list[tuple[str, str]]]:
    """A base URL without its query, and its query: Azure wants ``?api-version=``."""
    parts = urlsplit(url)
    return parts._replace(query="").geturl(), parse_qsl(parts.query, keep_blank_values=True)


def below(url: str, path: str, pairs: Sequence[tuple[str, str]] = ()) -> str:
    """The URL of `path` under a base URL, whose query is kept; of the same names those of `pairs` count."""
    base, query = query_of(url)
    given = {name for name, _ in pairs}
    query = [*(pair for pair in query if pair[0] not in given), *pairs]
    return f"{base.rstrip('/') if path else base}{path}{'?' if query else ''}{urlencode(query)}"


def _texts(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        yield item if isinstance(item, str) else json.dumps(item)
