"""Holds what a fake says against what the service said: recordings of `sipgw doctor providers --live`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Messages = Sequence[Mapping[str, Any]]


def deviations(fake: Messages, real: Messages) -> list[str]:
    """What a server of the tests says that the service never said, and the other way round; each in a sentence.

    Kinds that only the service has sent are none: no scenario makes all of them.
    """
    found = []
    known = _kinds(real)
    for kind, samples in _kinds(fake).items():
        if kind not in known:
            found.append(f"the service has sent no {kind}")
            continue
        theirs = [dict(_fields(one)) for one in known[kind]]
        every = {path: {kind for one in theirs if path in one for kind in one[path]} for one in theirs for path in one}
        always = {path for path in every if all(path in one for one in theirs)}
        for sample in samples:
            ours = dict(_fields(sample))
            found += [f"{kind}: {path} is missing" for path in sorted(always - set(ours))]
            found += [f"{kind}: there is no {path}" for path in sorted(set(ours) - set(every))]
            for path in sorted(set(ours) & set(every)):
                if not ours[path] <= every[path] | {"nothing"}:
                    found.append(f"{kind}: {path} is {_told(every[path])} and not {_told(ours[path])}")
    return list(dict.fromkeys(found))


def _kinds(messages: Messages) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for one in messages:
        if one["from"] == "server" and "body" in one:
            found.setdefault(_kind(one["what"], one["body"]), []).append(one["body"])
    return found


def _kind(what: str, body: Any) -> str:
    if not isinstance(body, dict):
        return f"{what} that is no object"
    words = [str(body[key]) for key in ("type", "event", "message_type", "object") if isinstance(body.get(key), str)]
    return " ".join([what, *(words or sorted(body))])


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    """Paths of fields, and the kinds of their values; items of a list are one."""
    merged: dict[str, set[str]] = {}
    for name, kind in _walk(value, path):
        merged.setdefault(name, set()).add(kind)
    yield from merged.items()


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    kinds = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "a truth value",
        int: "a number",
        float: "a number",
    }
    if path:
        yield path, kinds.get(type(value), "nothing")
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _walk(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one, f"{path}[]")


def _told(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds))
