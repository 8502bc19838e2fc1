# mypy: disable-error-code="list-item"
"""MCP servers as real processes, on stdio and streamable HTTP: their tools behave like the agent's own."""

import asyncio
import contextlib
import gzip
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import mcp
import mcp_types
import pytest

from agent.bounds import FULL
from agent.consent import Consent
from agent.history import History, Sentence
from agent.mcp_lines import LARGEST
from agent.mcp_options import McpOptions
from agent.mcp_tools import McpServer, _value, arguments_of, connected
from agent.tools import RESULT_LIMIT, Toolbox
from tests.ports import free_ports
from tests.virtual import run as on_virtual_time
from tests.waiting import HANG

SERVER = (sys.executable, "-m", "tests.fakes.mcp_server")
TOOLS = ("find_customer", "order")


@contextlib.asynccontextmanager
async def serving(kind: str, **more: Any) -> AsyncIterator[McpServer]:
    options: dict[str, Any] = {"name": "register", "tools": TOOLS, "timeout": HANG, "connect_limit": HANG, **more}
    if kind == "stdio":
        env = (f"PYTHONPATH={os.getcwd()}", "TOKEN=t0p")
        async with connected([McpOptions(command=SERVER, env=env, **options)]) as (server,):
            yield server
        return
    port = free_ports()
    process = await asyncio.create_subprocess_exec(*SERVER, str(port), stderr=asyncio.subprocess.DEVNULL)
    try:
        async with connected([McpOptions(url=f"http://127.0.0.1:{port}/mcp", **options)]) as (server,):
            yield server
    finally:
        process.kill()
        await process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["stdio", "http"])
def test_tools_of_a_server_behave_like_the_agents_own(kind: str) -> None:
    async def scenario() -> None:
        async with serving(kind) as server:
            box = Toolbox(server.tools, "call-1")
            assert [schema["function"]["name"] for schema in box.schemas] == ["find_customer", "order"]
            ordering = box.schemas[1]["function"]
            assert ordering["description"] == "Order something."
            assert set(ordering["parameters"]["properties"]) == {"item", "count"}, "the key is not the model's"
            assert set(ordering["parameters"]["required"]) == {"item", "count"}
            found = await box.run("find_customer", '{"number": "+15551234"}')
            assert found.result["name"] == "Ann Smith"
            refused = await box.run("order", '{"item": "tea", "count": "many"}')
            assert "'many' is not of type 'integer'" in refused.error
            assert "'item' is a required property" in (await box.run("order", "{}")).error
            assert (
                "must not be given"
                in (await box.run("order", '{"item": "x", "count": 1, "idempotency_key": "k"}')).error
            )
            first = await box.run("order", '{"item": "tea", "count": 2}')
            again = await box.run("order", '{"count": 2, "item": "tea"}')
            assert first.result == again.result
            assert first.result["orders"] == 1
            assert len(first.result["key"]) == 32
            failed = await box.run("find_customer", '{"number": "+15550000"}')
            assert "the register is closed" in failed.error
            assert "there is no tool" in (await box.run("forbidden", "{}")).error

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_server_that_dies_is_run_again_and_its_environment_is_what_is_given() -> None:
    async def scenario() -> None:
        async with serving("stdio", confirm=("order",)) as server:
            box = Toolbox(server.tools)
            box.consent = Consent(history := History(""))
            asked = await box.run("order", '{"item": "tea", "count": 2}')
            assert "ask for a yes or a no" in asked.result["status"]
            history.say().sentences.append(Sentence(1, "Two teas, is that right?"))
            history.ask("Yes.")
            assert (await box.run("order", '{"item": "tea", "count": 2}')).result["orders"] == 1
            before = (await box.run("find_customer", '{"number": "+1"}')).result
            assert before["token"] == "t0p"
            os.kill(before["process"], signal.SIGKILL)
            after = (await box.run("find_customer", '{"number": "+1"}')).result
            assert after["process"] != before["process"]

    asyncio.run(scenario())


@pytest.mark.parametrize("where", [{"command": ("/does/not/exist",)}, {"url": "http://127.0.0.1:9/mcp"}])
def test_a_server_that_is_not_there_harms_nobody(where: dict[str, Any]) -> None:
    options = McpOptions(name="gone", tools=("*",), connect_limit=0.3, **where)

    async def begin() -> None:
        async with connected([options]) as (server,):
            assert server.tools == []

    async def use() -> None:
        tool = McpServer(options)._made(Offered())
        assert tool is not None
        run = await Toolbox([tool]).run("look_up", "{}")
        assert run.error == "that cannot be reached at the moment"

    asyncio.run(begin())
    on_virtual_time(use())


@pytest.mark.slow
def test_a_program_may_start_for_longer_than_a_tool_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """`npx` and `uvx` download it the first time."""
    # The package asks for this long what the server speaks, 10 s, and then has it begin.
    monkeypatch.setattr("mcp.client.session.DISCOVER_TIMEOUT_SECONDS", 0.2)
    command = ("sh", "-c", f"sleep 1.5; exec {' '.join(SERVER)}")
    options = McpOptions(
        name="slow", tools=TOOLS, command=command, env=(f"PYTHONPATH={os.getcwd()}",), timeout=0.3, connect_limit=HANG
    )

    async def scenario() -> list[str]:
        async with connected([options]) as (server,):
            return [tool.name for tool in server.tools]

    assert asyncio.run(scenario()) == ["find_customer", "order"]


def test_a_connection_is_given_up_although_the_library_loses_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its own time limit it raises what went wrong instead."""

    @contextlib.asynccontextmanager
    async def loses(_: McpServer) -> AsyncIterator[None]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError from None
        yield

    async def scenario() -> None:
        monkeypatch.setattr(McpServer, "_connection", loses)
        gone = McpServer(McpOptions(name="gone", tools=("*",), url="http://127.0.0.1:9"))
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(gone.keep())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            keeping.cancel()
        assert keeping.cancelled()

    on_virtual_time(scenario())


class Offered:
    name, title, description, annotations = "look.up", None, None, None
    input_schema: dict[str, Any] = {"type": "object"}  # noqa: RUF012


class Answers:
    """A client whose server answers a call with `error`; None: never."""

    def __init__(self, error: Exception | None) -> None:
        self.called = 0
        self._error = error

    async def call_tool(self, name: str, arguments: dict[str, Any], limit: float) -> Any:
        self.called += 1
        if self._error:
            raise self._error
        await asyncio.Event().wait()


def failed(code: int) -> mcp.MCPError:
    return mcp.MCPError(code=code, message="failed")


@pytest.mark.parametrize(
    ("error", "properties", "times"),
    [
        (None, (), 1),
        (failed(-32001), (), 1),  # its own time limit
        (failed(-32603), (), 1),  # an internal error
        (failed(-32601), (), 2),  # there is no such method
        (None, ("idempotency_key",), 2),
        (failed(-32603), ("idempotency_key",), 2),
    ],
)
def test_a_change_that_may_have_been_done_is_not_tried_again(
    error: Any, properties: tuple[str, ...], times: int
) -> None:
    async def scenario() -> None:
        server = McpServer(McpOptions(name="x", tools=("*",), changes=("look.up",), url="http://127.0.0.1:9"))
        server._client = client = Answers(error)
        server._connected.set()
        offered = Offered()
        offered.input_schema = {"type": "object", "properties": {name: {"type": "string"} for name in properties}}
        box = Toolbox([server._made(offered)])
        errors = [(await box.run("look_up", "{}")).error for _ in range(2)]
        assert client.called == times
        assert [one.endswith("do not try again") for one in errors] == [times == 1] * 2

    on_virtual_time(scenario())


@pytest.mark.faults("D15")
@pytest.mark.parametrize(
    ("annotations", "options", "changes", "times"),
    [
        (None, {}, True, 1),
        (mcp_types.ToolAnnotations(), {}, True, 1),
        (mcp_types.ToolAnnotations(destructive_hint=True), {}, True, 1),
        (mcp_types.ToolAnnotations(destructive_hint=False), {}, True, 1),
        (mcp_types.ToolAnnotations(idempotent_hint=True), {}, True, 2),
        (mcp_types.ToolAnnotations(read_only_hint=True), {}, False, 2),
        (mcp_types.ToolAnnotations(read_only_hint=True), {"changes": ("look.up",)}, True, 1),
        (None, {"reads": ("look.up",)}, False, 2),
    ],
)
def test_what_a_server_does_not_say_of_a_tool_is_as_the_specification_has_it(
    annotations: Any, options: dict[str, Any], changes: bool, times: int
) -> None:
    """A call whose connection is lost is sent again only if that cannot do it twice."""

    async def scenario() -> None:
        server = McpServer(McpOptions(name="x", tools=("*",), url="http://127.0.0.1:9", **options))
        offered = Offered()
        offered.annotations = annotations
        tool = server._made(offered)
        assert tool.side_effect is changes  # type: ignore[union-attr]
        server._client = client = Answers(failed(-32000))
        server._connected.set()

        async def connected_again() -> None:
            await server._lost.wait()
            server._client = last
            server._connected.set()

        last = Answers(failed(-32601))
        async with asyncio.TaskGroup() as group:
            reconnecting = group.create_task(connected_again())
            await Toolbox([tool]).run("look_up", "{}")
            reconnecting.cancel()
        assert client.called + last.called == times

    on_virtual_time(scenario())


def test_schemas_that_make_no_sense_are_left_out_and_nothing_is_fetched() -> None:
    for wrong in ({"type": "string"}, {"type": "object", "properties": 3}, {"type": "object", "x": "y" * 30_000}):
        with pytest.raises(ValueError, match="schema"):
            arguments_of(wrong)
    elsewhere = arguments_of({"type": "object", "properties": {"x": {"$ref": "http://127.0.0.1:9/x.json"}}})
    with pytest.raises(ValueError, match="not there"):
        elsewhere.model_validate_json(json.dumps({"x": 1}))


TWICE = {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)} | {"40": {}}
BACKTRACKS = "^(a+)+$"


@pytest.mark.faults("D15")
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$defs": TWICE, "$ref": "#/$defs/0"},
        {"properties": {"x": {"$ref": "#/type"}}},
        {"properties": {"x": {"$ref": "#/required"}}, "required": []},
    ],
    ids=["circle", "doubling", "no schema", "a list"],
)
def test_a_schema_that_cannot_be_evaluated_refuses_the_call_in_words(schema: dict[str, Any]) -> None:
    offered = Offered()
    offered.input_schema = {"type": "object", **schema}
    tool = McpServer(McpOptions(name="x", tools=("*",), url="http://127.0.0.1:9"))._made(offered)
    run = asyncio.run(Toolbox([tool]).run("look_up", '{"x": 1}'))
    assert "the tool's schema cannot be used" in run.error


@pytest.mark.faults("D15")
@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"x": {"pattern": BACKTRACKS}}},
        {"properties": {"x": {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": BACKTRACKS}}},
        {"properties": {"x": {"$schema": jsonschema.Draft202012Validator.META_SCHEMA["$id"], "pattern": BACKTRACKS}}},
        {"patternProperties": {BACKTRACKS: {}}, "additionalProperties": False},
        {"patternProperties": {BACKTRACKS: {}}, "unevaluatedProperties": False},
        {"propertyNames": {"pattern": BACKTRACKS}},
    ],
)
def test_no_regular_expression_of_a_server_is_evaluated(
    schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = arguments_of({"type": "object", **schema})
    long = "a" * 40 + "b"
    monkeypatch.setattr(re, "search", lambda *_: pytest.fail("it was evaluated"))
    arguments.model_validate_json(json.dumps({"x": long, long: 1}))


@pytest.mark.faults("D15")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("status", [200, 500])
def test_answers_are_bounded(packed: bool, status: int) -> None:
    """Nothing of a packed answer is unpacked, and of an endless one no more is read than the bound."""
    piece = gzip.compress(b" " * LARGEST) if packed else b" " * 65536
    how = b"Content-Encoding: gzip\r\n" if packed else b""
    sent, asked = [0], list[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%s\r\n" % (status, how))
            while sent[0] < 64 * LARGEST:
                writer.write(piece)
                await writer.drain()
                sent[0] += len(piece)
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        before = FULL["answers of MCP servers"]
        async with server, connected([McpOptions(name="x", tools=("*",), url=url, connect_limit=0.5)]) as (one,):
            assert one.tools == []
        assert FULL["answers of MCP servers"] > before

    asyncio.run(scenario())
    assert b"accept-encoding: identity" in asked[0].lower()
    assert sent[0] < 32 * LARGEST


def test_a_long_result_is_cut_before_anything_keeps_it() -> None:
    for long in ({"x": "y" * 20_000}, None):
        result = mcp_types.CallToolResult(
            content=[mcp_types.TextContent(type="text", text="z" * 20_000)], structured_content=long
        )
        assert len(_value(result)) == RESULT_LIMIT
    assert _value(mcp_types.CallToolResult(content=[], structured_content={"x": 1})) == {"x": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"tools": ("*",)},
        {"tools": ("*",), "url": "http://x", "command": ("x",)},
        {"tools": (), "url": "http://x"},
        {"tools": ("*",), "url": "ftp://x"},
        {"tools": ("*",), "url": "http://x", "headers": ("Bearer x",)},
        {"tools": ("*",), "url": "http://x", "reads": ("a",), "confirm": ("a",)},
    ],
)
def test_options_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        McpOptions(name="x", **wrong)
