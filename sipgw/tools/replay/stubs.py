"""Stubs for the tools and the transfers of a replayed call."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from pydantic import ConfigDict, create_model

from agent.tools import Tool, ToolError
from sipgw.records.bundles.recorder import Frame
from sipgw.tools.replay.clock import now, until
from sipgw.tools.replay.script import ReplayScript


def tools_of(found: Iterable[dict[str, Any]], script: ReplayScript) -> list[Tool]:
    """Tools that return the recorded results for the same arguments."""
    return [_tool(one, script) for one in found]


def _tool(found: dict[str, Any], script: ReplayScript) -> Tool:
    name, schema = found["name"], found["parameters"]
    required = schema.get("required", ())
    fields: dict[str, Any] = {
        one: (Any, ... if one in required else about.get("default"))
        for one, about in schema.get("properties", {}).items()
    }
    own = {one: value for one, value in found.items() if one not in ("name", "description", "parameters")}
    arguments = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    arguments.model_json_schema = lambda *_, **__: json.loads(json.dumps(schema))

    async def function(**given: Any) -> Any:
        wanted = _plain(script.redact(given))

        def same(run: Frame) -> bool:
            if run["do"] == "started":  # the tool was cancelled, or still ran at the end: only its arguments are known
                return bool(run["name"] == name and _plain(run["arguments"]).items() <= wanted.items())
            done = _plain(run["arguments"])
            # The model may write a field of a form in other words than the recorded value: "jo at example dot com".
            return bool(run["name"] == name and wanted in (done, done | _plain(run["written"])))

        answer = script.find("tool", same, again=True)
        if answer is None:
            told = json.dumps(given, default=str)[:300]
            await script.unanswered(f"the tool {name} was called with {told}, which it was not")
        run = answer.asked
        if run["do"] == "started":
            await asyncio.Event().wait()
        await asyncio.sleep(run["seconds"])
        if run["error"]:
            raise ToolError(run["error"])
        return run["result"]

    return Tool(name, found["description"], function, arguments, **own)


def _plain(arguments: Any) -> dict[str, str]:
    """`arguments` in a form for comparisons: ``5`` and ``"5"`` are the same, and null is the same as a missing
    argument."""
    with suppress(ValueError):
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    given = arguments if isinstance(arguments, dict) else {"": arguments}
    return {
        name: json.dumps(value) if isinstance(value, dict | list) else str(value)
        for name, value in given.items()
        if value is not None
    }


def transfer_of(script: ReplayScript, tell: Callable[[Frame], None]) -> Callable[[str], Awaitable[bool]]:
    """A transfer that succeeds or fails as recorded; `tell` gets the recorded commands of the line."""

    async def connect(to: str) -> bool:
        answer = script.find("transfer", lambda asked: asked["to"] == to)
        if answer is None:
            await script.unanswered(f"the caller was to be transferred to {to or 'anybody'!r}, which they were not")
        later = now() - answer.asked["t"]
        for frame in answer.pieces:
            await until(frame["t"] + later)
            tell(frame)
        if "connected" not in answer.ended:
            await asyncio.Event().wait()  # the call ended before the transfer did
        await until(answer.ended["t"] + later)
        return bool(answer.ended["connected"])

    return connect
