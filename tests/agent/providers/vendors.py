"""The vendors' own types, as judges: a message that they refuse, or of which they lose a field, fails the test."""

import json
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter


def judged(kind: Any, message: Mapping[str, Any], *, unknown: tuple[str, ...] = ()) -> Any:
    """`message` as the vendor's type `kind`; `unknown` are fields that the service sends and its package does not know.

    Fails with pydantic's words when a field is missing, wrong, or not among the type's.
    """
    known = {name: value for name, value in message.items() if name not in unknown}
    return _judge(_named(kind, message)).validate_python(known, extra="forbid")


@cache
def _judge(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _named(kind: Any, message: Mapping[str, Any]) -> Any:
    """Of a union of messages the one that the field `type` names, so that what is wrong is told of that one only."""
    if get_origin(kind) is Annotated:
        return _named(get_args(kind)[0], message)
    if get_origin(kind) not in (Union, UnionType):
        return kind
    for one in get_args(kind):
        field = one.model_fields.get("type") if hasattr(one, "model_fields") else None
        if field is not None and message.get("type") in get_args(field.annotation):
            return one
    return kind


def by_type(kinds: Mapping[str, Any], message: Mapping[str, Any], **more: Any) -> Any:
    """`message` as the type that its field `type` names."""
    assert message["type"] in kinds, f"the vendor knows no message {message['type']!r}"
    return judged(kinds[message["type"]], message, **more)


def plain(query: Mapping[str, str], kind: type[BaseModel]) -> dict[str, Any]:
    """A query as JSON: what is a list in the type is JSON in the query."""
    found: dict[str, Any] = {}
    for name, value in query.items():
        found[name] = json.loads(value) if value.startswith("[") else value
    return found
