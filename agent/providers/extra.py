"""Keys that the tables of all providers have. `extra` passes further parameters of a provider on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from agent.rules.rule_error import RuleError

SIZE = 8000
"""Maximum characters of the table `extra` as JSON."""
DEPTH = 5
"""Maximum depth of nested tables and lists in `extra`."""
RESERVED = frozenset(
    (
        *("authorization", "callback", "context_id", "encoding", "engine", "input_format", "messages", "model"),
        *("model_id", "output_format", "response_format", "sample_rate", "speech_model", "store", "stream"),
        *("stream_format", "tool_choice", "tools", "voice_id", "webhook", "webhook_url"),
    )
)
"""Names that `extra` cannot have at its top, in any spelling (`output_format`, `OutputFormat`). Names that begin with
`redact` are not allowed either. An option decides on such a parameter, or the gateway or privacy depends on it."""
FIXED: Mapping[str, bool] = MappingProxyType({"fixed": True})
"""Metadata of a field that only tests change, and no configuration."""

HTTP = ("https://", "http://")
WEBSOCKET = ("wss://", "ws://")
Path = tuple[str, ...]


class Limits(NamedTuple):
    """The numbers that a provider takes for a parameter, both ends included."""

    least: float
    most: float
    unit: str = ""
    """The unit, such as milliseconds; the numbers are whole then. Empty: any number."""


def milliseconds(least: int, most: int = 60_000) -> Limits:
    """`Limits` of a time in milliseconds. A value that was written in seconds by mistake is below `least`."""
    return Limits(least, most, "milliseconds")


def check(
    extra: Mapping[str, Any], decided: tuple[str, ...] = (), limits: Mapping[str, Limits] = MappingProxyType({})
) -> None:
    """Check the table `extra`. Raises `RuleError` if it is too large, too deep or no JSON. Raises it too for a reserved
    name, for one of the paths `decided`, and for a number beyond the `limits` of its path.
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
    """Raise `RuleError` if `extra` has the parameter at `path`, and its value is none of `values`."""
    found = _found(extra, path)
    if found and found[1] not in values:
        raise RuleError(f"must be one of {', '.join(values)}", ("extra", *found[0]))


def _letters(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


_RESERVED = frozenset(map(_letters, RESERVED))


def _found(extra: Mapping[str, Any], path: str) -> tuple[Path, Any] | None:
    """The keys of the parameter at `path`, as `extra` spells them, and its value; None if `extra` does not have it."""
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
    """The number `name` of `extra`, which was checked before; `usual` if `extra` does not have it."""
    return float(extra.get(name, usual))


@dataclass(frozen=True)
class ProviderOptions:
    """Keys of every provider's table. Each provider has its own defaults of `url`, `model` and `voice_id`."""

    api_key: str = field(default="", repr=False)
    """The account's key. A server of your own often takes any."""
    url: str = ""
    """Address of the service. Another address may keep the data in a region, or be a compatible server: see the
    provider's page."""
    model: str = ""
    """The model, by the provider's name."""
    extra: dict[str, Any] = field(default_factory=dict, repr=False, hash=False)
    """Further parameters of the request, by the provider's names and in its units; they replace the gateway's own. An
    empty text takes back one of another file."""
    schemes: ClassVar[tuple[str, ...]] = ()
    """Schemes that `url` may have; empty: schemes of the same kind as the scheme of its default."""
    decided: ClassVar[tuple[str, ...]] = ()
    """Paths of parameters that `extra` cannot have, because an option or the gateway decides on them."""
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
        """The address to which requests go."""
        return self.url

    def through(self, proxy: str) -> Self:
        """These options with requests to the address `proxy`, which passes them on to `endpoint`."""
        return replace(self, url=proxy)


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    """`table` without empty texts. With an empty text, an agent's file removes a parameter of the gateway's file."""
    return {key: _given(one) if isinstance(one, Mapping) else one for key, one in table.items() if one != ""}


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list | tuple) else 0


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with `extra`, table by table. A key of both has the value of `extra`."""
    both = dict(body)
    for key, value in extra.items():
        before = both.get(key)
        both[key] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return both


def in_query(pairs: Mapping[str, Any] | list[tuple[str, Any]], extra: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Parameters of a URL, with those of `extra` in place of others of the same name. A list becomes one parameter for
    each item."""
    given = pairs.items() if isinstance(pairs, Mapping) else pairs
    both = [(name, str(value)) for name, value in given if name not in extra]
    return [*both, *((name, text) for name, value in extra.items() for text in _texts(value))]


def query_of(url: str) -> tuple[str, list[tuple[str, str]]]:
    """A base URL without its query, and its query: Azure wants ``?api-version=``."""
    parts = urlsplit(url)
    return parts._replace(query="").geturl(), parse_qsl(parts.query, keep_blank_values=True)


def below(url: str, path: str, pairs: Sequence[tuple[str, str]] = ()) -> str:
    """The URL of `path` under the base URL `url`, with its query and with `pairs`. Of the same names, `pairs` count."""
    base, query = query_of(url)
    given = {name for name, _ in pairs}
    query = [*(pair for pair in query if pair[0] not in given), *pairs]
    return f"{base.rstrip('/') if path else base}{path}{'?' if query else ''}{urlencode(query)}"


def _texts(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        yield item if isinstance(item, str) else json.dumps(item)
