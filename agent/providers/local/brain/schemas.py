"""Checks arguments against a tool's schema: the brain calls only tools of the request, with arguments that fit."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.llm import ToolSchema
from agent.providers.local.brain.parameters import OwnTool, own_tool

SCRIPTED: dict[str, frozenset[str]] = {
    "get_order_status": frozenset({"order_number"}),
    "schedule_callback": frozenset({"phone_number", "when", "topic"}),
    "transfer_to_human": frozenset({"reason", "to"}),
    "hang_up": frozenset({"reason"}),
    "stop_calling": frozenset({"phone_number"}),
    "emergency": frozenset(),
}
"""The tools of the script, and the parameters that the script can fill. A tool of such a name that requires other
parameters is the owner's."""
_SILENT = frozenset({"expect", "wait", "collect", "collect_digits", "switch_language", "hand_over", "report_verdict"})
"""Tools of the conversation that callers do not ask for in words that this brain understands."""


class Tools:
    """The tools of one request, by name. Malformed schemas are ignored."""

    def __init__(self, schemas: Sequence[ToolSchema]) -> None:
        self._parameters: dict[str, Mapping[str, Any]] = {}
        own: dict[str, OwnTool] = {}
        for schema in schemas:
            function = schema.get("function") if isinstance(schema, Mapping) else None
            if isinstance(function, Mapping) and isinstance(function.get("name"), str):
                parameters = function.get("parameters")
                self._parameters[function["name"]] = parameters if isinstance(parameters, Mapping) else {}
                if not _is_scripted(function["name"], self._parameters[function["name"]]):
                    found = own_tool(schema)
                    if found is not None:
                        own[found.name] = found
        self.names = frozenset(self._parameters)
        self.own = tuple(own.values())
        """The tools of the agent's owner."""

    def arguments(self, name: str, offered: Mapping[str, Any]) -> str | None:
        """The arguments of the tool `name` as JSON, from the values in `offered`; None if the tool is missing, or if
        they do not fit. Values that the schema does not know are left out, and texts become numbers where the schema
        wants numbers. The values for an owner's tool fit already.
        """
        if any(one.name == name for one in self.own):
            return json.dumps(offered)
        parameters = self._parameters.get(name)
        if parameters is None:
            return None
        properties = parameters.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        required = parameters.get("required")
        required = required if isinstance(required, list) else []
        chosen: dict[str, Any] = {}
        for key, schema in properties.items():
            value = _converted(offered[key], schema) if offered.get(key) else None
            if value is not None:
                chosen[key] = value
        return json.dumps(chosen) if all(key in chosen for key in required) else None


def _is_scripted(name: str, parameters: Mapping[str, Any]) -> bool:
    required = parameters.get("required")
    fills = SCRIPTED.get(name, frozenset())
    return name in _SILENT or (name in SCRIPTED and (not isinstance(required, list) or fills.issuperset(required)))


def _converted(value: str, schema: Any) -> str | int | float | None:
    """`value` in the type that `schema` asks for; None when it does not fit."""
    if not isinstance(schema, Mapping):
        return value
    branches = schema.get("anyOf")
    if isinstance(branches, list):
        return next((fit for branch in branches if (fit := _converted(value, branch)) is not None), None)
    kinds = schema.get("type", "string")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "string" in kinds:
        return value if _string_fits(value, schema) else None
    if ("integer" in kinds or "number" in kinds) and re.fullmatch(r"[0-9]{1,15}", value):
        return int(value)
    return None


def _string_fits(value: str, schema: Mapping[str, Any]) -> bool:
    if isinstance(schema.get("enum"), list) and value not in schema["enum"]:
        return False
    if len(value) < _length(schema, "minLength", 0) or len(value) > _length(schema, "maxLength", len(value)):
        return False
    pattern = schema.get("pattern")
    try:
        return not isinstance(pattern, str) or re.search(pattern, value) is not None
    except re.error:
        return True  # The pattern is in another dialect than Python's: the tool's own validation decides.


def _length(schema: Mapping[str, Any], key: str, default: int) -> int:
    value = schema.get(key)
    return value if isinstance(value, int) else default
