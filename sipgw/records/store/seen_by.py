"""The view of a tenant on its own calls. Names of trunks, folders of files and alarms are left out: they are the
operator's.

Everything that leaves the gateway for a tenant passes `seen_by`: records, calls that go on, timelines, events for
webhooks and heads of bundles. `sipgw.records.store.tenancy` hides further data in the database itself, and
`sipgw.trunks.route_selector.NotDialled.told` hides the reasons why no call was made.
"""

import re
from pathlib import PurePath
from typing import Any

CHARGED = re.compile(r"^trunk .*?\b(in|out|further seconds|seconds)$")
"""Name of a leg in costs: the trunk, and the direction or unit."""
INSIDE = ("about", "data", "media")
"""Keys of a record or event whose values may contain the same keys again."""
ALARMS = ("alarm", "cost", "trunk_alarm", "cost_alarm")
"""Kinds of events that are based on the calls of all tenants."""


def seen_by(told: dict[str, Any], tenant: str) -> dict[str, Any]:
    """The record or event `told` as `tenant` may see it; an empty tenant is the operator, who sees all."""
    return _seen(told) if tenant else told


def _seen(told: dict[str, Any]) -> dict[str, Any]:
    return {name: _part(name, value) for name, value in told.items()}


def _part(name: str, value: Any) -> Any:
    match name, value:
        case "trunk", str():
            return ""
        case "costs", dict():
            return _costs(value)
        case "recording", str():
            return PurePath(value).name
        case "recording", {"file": str(file)}:
            return value | {"file": PurePath(file).name}
        case "cut", str():  # the beginning of a too large value's text, which may contain trunks
            return ""
        case "legs", list():
            return [_seen(leg) for leg in value]
        case "events", list() | tuple():
            return [one for one in value if one["kind"] not in ALARMS]
        case _, dict() if name in INSIDE:
            return _seen(value)
    return value


def _costs(costs: dict[str, Any]) -> dict[str, Any]:
    """The costs of a call without the names of trunks: see `sipgw.policy.cost.cost.Cost`."""
    found = dict(costs)
    for part in ("unpriced", "estimated"):
        if isinstance(found.get(part), list | tuple):
            found[part] = list(dict.fromkeys(_plain(name) for name in found[part]))
    if isinstance(used := found.get("used"), dict):
        found["used"] = {}
        for name, amount in used.items():
            found["used"][_plain(name)] = found["used"].get(_plain(name), 0) + amount
    return found


def _plain(name: str) -> str:
    return CHARGED.sub(r"trunk \1", name)
