"""The list of tools of an MCP server is read each minute: to check their schemas takes long, and holds no call up."""

import asyncio
import threading
from typing import Any

import mcp_types
import pytest

from agent.mcp_options import McpOptions
from agent.mcp_tools import MOST_PARTS, McpServer, arguments_of


class Offering:
    """The client of a server that offers these tools."""

    def __init__(self, *offered: Any) -> None:
        self.offered = offered

    async def list_tools(self, cursor: str | None = None) -> mcp_types.ListToolsResult:
        return mcp_types.ListToolsResult.model_construct(tools=list(self.offered), next_cursor=None)


class Watched(mcp_types.Tool):
    """A tool that notes in which threads its schema is read."""

    threads: set[int] = set()  # noqa: RUF012  a field of pydantic

    def __getattribute__(self, name: str) -> Any:
        if name == "input_schema":
            self.threads.add(threading.get_ident())
        return super().__getattribute__(name)


def named(name: str, kind: type[mcp_types.Tool] = mcp_types.Tool, **properties: Any) -> mcp_types.Tool:
    return kind(name=name, input_schema={"type": "object", "properties": properties})


def server() -> McpServer:
    return McpServer(McpOptions(name="x", tools=("*",), url="http://127.0.0.1:9"))


def test_a_tool_is_made_again_only_if_it_has_changed() -> None:
    async def scenario() -> None:
        refreshed = server()
        await refreshed._learn(Offering(named("stays"), named("changes"), named("goes")))
        stays, changes, _ = refreshed.tools
        await refreshed._learn(Offering(named("changes", count={"type": "integer"}), named("stays"), named("comes")))
        assert [one.name for one in refreshed.tools] == ["changes", "stays", "comes"]
        assert refreshed.tools[1] is stays
        assert refreshed.tools[0].schema != changes.schema

    asyncio.run(scenario())


def test_schemas_are_checked_beside_the_loop() -> None:
    async def scenario() -> None:
        tool = named("watched", Watched)
        await server()._learn(Offering(tool))
        assert isinstance(tool, Watched)
        assert tool.threads and threading.get_ident() not in tool.threads

    asyncio.run(scenario())


@pytest.mark.parametrize("part", [{}, True, []])
def test_a_short_schema_of_many_parts_is_left_out(part: Any) -> None:
    for kind in ("allOf", "enum"):
        with pytest.raises(ValueError, match=f"more than {MOST_PARTS} parts"):
            arguments_of({"type": "object", kind: [part] * MOST_PARTS})
