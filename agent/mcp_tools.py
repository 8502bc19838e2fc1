"""MCP servers as a source of tools, by the official client (https://modelcontextprotocol.io, optional extra ``mcp``).

There is one connection to a server for all calls of an agent. If it is lost, it is made again; meanwhile the server's
tools return an error text. The arguments that the model writes are validated by the tool's own JSON schema before they
are sent.
"""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Any, Self

import httpx2
import jsonschema
import mcp
import referencing
import structlog
from mcp.client.streamable_http import streamable_http_client
from pydantic import RootModel, model_validator

from agent.authorities import tls
from agent.bounds import FULL
from agent.errors import first
from agent.mcp_lines import ENCODING, LARGEST
from agent.mcp_options import McpOptions
from agent.pool import Pool
from agent.tools import KEY, RESULT_LIMIT, Tool, ToolError, UnknownOutcome

log = structlog.get_logger()

REFRESH = 60.0
"""Seconds after which the server is asked again for its tools, which also shows whether the connection works."""
STARTS = 60.0
"""Seconds that a server which is a program has to start: `npx` and `uvx` download it the first time."""
RETRY_FIRST, RETRY_LONGEST = 0.5, 30.0
"""Seconds before the next try to connect; they double with each failure in a row, up to the second value."""
MOST_TOOLS = 100
"""Most tools of one server that are used."""
MOST_SCHEMA = 20_000
"""Characters of the schema of a tool; one with more is left out."""
MOST_PARTS = 1000
"""Most objects and lists in such a schema: to check each of them takes half a millisecond."""
SCHEMAS = Pool("the schemas of MCP servers", workers=1, waiting=64)
"""For checking schemas, which takes up to half a second for one."""
MOST_TEXT = 1000
"""Characters of a description."""
_BLANK = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
"""The end of an event in a stream of events (HTML standard, section 9.2.5)."""


class McpServer:
    """The connection to one server, as long as `keep` runs."""

    def __init__(self, options: McpOptions) -> None:
        self.tools: list[Tool] = []
        """Tools that may be called. While the server is away, they are those from before."""
        self._options = options
        self._known: dict[str, tuple[Any, Tool | None]] = {}
        """Offers of the server by name, each with the tool that was made of it; None for an offer that was left out."""
        self._client: Any = None
        self._connected = asyncio.Event()
        self._lost = asyncio.Event()

    async def ready(self) -> None:
        """Wait until the server is connected, but no longer than `McpOptions.connect_limit`."""
        try:
            async with asyncio.timeout(self._options.connect_limit):
                await self._connected.wait()
        except TimeoutError:
            log.warning("MCP server not ready", server=self._options.name)

    async def keep(self) -> None:
        """Keep the server connected, for ever: after each loss connect again."""
        wait = RETRY_FIRST
        while True:
            try:
                async with self._connection() as client:
                    await self._learn(client)
                    self._client, wait = client, RETRY_FIRST
                    self._connected.set()
                    log.info("MCP server connected", server=self._options.name, tools=[one.name for one in self.tools])
                    await self._until_lost(client)
            except Exception as error:  # noqa: BLE001  the provider boundary: whatever the library raises, calls go on
                task = asyncio.current_task()
                if task and task.cancelling():  # at its own time limit the library raises that instead
                    raise asyncio.CancelledError from None
                log.warning("MCP server lost", server=self._options.name, cause=_cause(error)[:300])
            finally:
                self._client = None
                self._connected.clear()
            await asyncio.sleep(wait)
            wait = min(2 * wait, RETRY_LONGEST)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[mcp.Client]:
        options = self._options
        async with AsyncExitStack() as stack:
            server: Any
            if options.url:
                headers = {
                    name.strip(): value.strip() for name, _, value in (one.partition(":") for one in options.headers)
                } | {"Accept-Encoding": "identity"}
                # The time limits are the tools' own; an answer may be streamed for as long as they allow.
                http = await stack.enter_async_context(
                    httpx2.AsyncClient(
                        headers=headers, timeout=options.timeout, verify=tls(), event_hooks={"response": [_bound]}
                    )
                )
                server = streamable_http_client(options.url, http_client=http)
            else:
                env = {name: value for name, _, value in (one.partition("=") for one in options.env)}
                program, *arguments = options.command
                server = mcp.StdioServerParameters(
                    command=program, args=arguments, env=env, encoding=ENCODING, encoding_error_handler="replace"
                )
            seconds = options.connect_limit if options.url else max(options.connect_limit, STARTS)
            async with asyncio.timeout(seconds) as limit:
                async with mcp.Client(server, cache=None, read_timeout_seconds=seconds) as client:
                    limit.reschedule(None)
                    yield client

    async def _until_lost(self, client: Any) -> None:
        self._lost.clear()
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(REFRESH):
                    await self._lost.wait()
            except TimeoutError:
                await self._learn(client)

    async def _learn(self, client: Any) -> None:
        """Take over what the server offers, as far as the agent may use it."""
        found: list[Any] = []
        cursor = None
        async with asyncio.timeout(self._options.connect_limit):
            while len(found) < MOST_TOOLS:
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if not cursor:
                    break
        allowed = self._options.tools
        offered = [one for one in found[:MOST_TOOLS] if "*" in allowed or one.name in allowed]
        known = dict[str, tuple[Any, Tool | None]]()
        async with asyncio.timeout(STARTS):
            for one in offered:
                before, made = self._known.get(one.name, (None, None))
                known[one.name] = one, made if one == before else await SCHEMAS.run(self._made, one)
        self._known, self.tools = known, [made for _, made in known.values() if made is not None]
        if missing := set(allowed) - {"*"} - {one.name for one in offered}:
            log.warning("MCP server lacks tools", server=self._options.name, tools=sorted(missing))

    def _made(self, offered: Any) -> Tool | None:
        options, name = self._options, offered.name
        try:
            arguments = arguments_of(offered.input_schema)
        except ValueError as error:
            log.warning("MCP tool left out", server=options.name, tool=name[:60], cause=str(error)[:200])
            return None
        confirm = name in options.confirm
        says = offered.annotations
        reads = says is not None and says.read_only_hint is True
        # The defaults of the specification: not read-only, destructive, not idempotent. Only the owner knows better.
        changes = confirm or name in options.changes or not (reads or name in options.reads)
        again = not changes or (says is not None and says.idempotent_hint is True)
        keyed = KEY in offered.input_schema.get("properties", {})

        async def run(root: dict[str, Any]) -> Any:
            return await self._call(name, root, again=again)

        async def run_once(root: dict[str, Any], idempotency_key: str) -> Any:
            return await self._call(name, {**root, KEY: idempotency_key}, again=True)

        own = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]
        about = (offered.description or offered.title or name)[:MOST_TEXT]
        function = run_once if keyed else run
        return Tool(own, about, function, arguments, options.timeout, side_effect=changes, confirm=confirm)

    async def _call(self, name: str, arguments: dict[str, Any], *, again: bool) -> Any:
        """Call a tool. If the connection is lost meanwhile, and `again` is true, call it on the next connection. The
        tool's time limit bounds all tries."""
        while True:
            await self._reached()
            client = self._client
            try:
                result = await client.call_tool(name, arguments, self._options.timeout)
            except mcp.MCPError as error:
                if error.code != CLOSED:
                    refused = again or error.code in REFUSED
                    raise (ToolError if refused else UnknownOutcome)(error.message[:300]) from None
            except OSError as error:
                log.warning("MCP call failed", server=self._options.name, tool=name, cause=_cause(error)[:300])
            else:
                return _value(result)
            if client is self._client:
                self._connected.clear()
                self._lost.set()
            if not again:
                raise UnknownOutcome("the connection was lost")

    async def _reached(self) -> None:
        try:
            async with asyncio.timeout(self._options.timeout / 2):
                await self._connected.wait()
        except TimeoutError:
            raise ToolError("that cannot be reached at the moment") from None


CLOSED = -32000
"""JSON-RPC error code of the package for a connection that is closed."""
REFUSED = (-32601, -32602)
"""JSON-RPC error codes by which a server says that it has not begun: no such method, wrong parameters."""


class _BoundedBody(httpx2.AsyncByteStream):
    """Limits the body of an answer. It raises what the package takes for an answer that it cannot read, if the body, or
    an event of a stream, has more than `LARGEST` bytes. It does so for a packed body, too, because a few packed bytes
    may become very many."""

    def __init__(self, body: httpx2.AsyncByteStream, packed: bool, streamed: bool) -> None:
        self._body, self._packed, self._streamed = body, packed, streamed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, last = 0, b""
        async for piece in self._body:
            known = last + piece  # the end of an event may be in two pieces
            ends = [one.end() for one in _BLANK.finditer(known)] if self._streamed else []
            size += ends[0] - len(last) if ends else len(piece)
            if self._packed or size > LARGEST:
                FULL["answers of MCP servers"] += 1
                error = httpx2.SSEError if self._streamed else httpx2.StreamError
                raise error("the answer is packed" if self._packed else "the answer is too long")
            size, last = len(known) - ends[-1] if ends else size, known[-3:]
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()


async def _bound(response: httpx2.Response) -> None:
    """Let reading the body of `response` fail if it is too large."""
    packed = response.headers.pop("content-encoding", "identity").strip().lower() != "identity"
    streamed = response.headers.get("content-type", "").lower().startswith("text/event-stream")
    assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101  an asynchronous client has such
    response.stream = _BoundedBody(response.stream, packed, streamed)


UNCHECKED = ("pattern", "patternProperties", "unevaluatedItems", "unevaluatedProperties", "uniqueItems")
"""Keywords of a schema that only the server checks: one of its regular expressions could occupy the event loop for
hours."""
MOST_CHECKS = 10_000
"""Keywords of a schema that are checked in one call; references may lead round in a circle."""
_CHECKS: ContextVar[Iterator[int]] = ContextVar("checks")
"""Numbers of the checks of the present call."""


def _counted(name: str, check: Callable[..., Any]) -> Callable[..., Any]:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        if next(_CHECKS.get()) > MOST_CHECKS:
            raise RecursionError
        if name == "additionalProperties" and "patternProperties" in schema:
            return ()  # only the regular expressions tell which properties those are
        return check(validator, value, instance, schema)

    return counted


_CHECKED = {
    name: _counted(name, check)
    for name, check in jsonschema.Draft202012Validator.VALIDATORS.items()
    if name not in UNCHECKED
}
_Validator: Any = jsonschema.validators.create(jsonschema.Draft202012Validator.META_SCHEMA, _CHECKED)
"""Validator of what can be checked in bounded time."""


def arguments_of(schema: Mapping[str, Any]) -> type[RootModel[dict[str, Any]]]:
    """Validator of arguments by a server's JSON schema. Raises `ValueError` for a schema that cannot be used."""
    if len(json.dumps(schema)) > MOST_SCHEMA or schema.get("type") != "object":
        raise ValueError("its schema is too long, or not one of an object")
    try:
        if _parts(schema) > MOST_PARTS:
            raise ValueError(f"its schema has more than {MOST_PARTS} parts")
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"its schema is wrong: {error.message}") from None
    except RecursionError:
        raise ValueError("its schema is too deep") from None
    # A part that names a draft would be checked by that draft's own class, which checks all.
    plain = json.loads(json.dumps(schema), object_hook=lambda part: {k: v for k, v in part.items() if k != "$schema"})
    # References to elsewhere are not followed: nothing is fetched that only the server names.
    validator = _Validator(plain, registry=referencing.Registry())
    properties = {key: value for key, value in schema.get("properties", {}).items() if key != KEY}
    required = [key for key in schema.get("required", ()) if key != KEY]
    shown = {**schema, "properties": properties, "required": required}

    class Arguments(RootModel[dict[str, Any]]):
        @model_validator(mode="after")
        def _fits(self) -> Self:
            given = {**self.root, KEY: "-"} if len(properties) < len(schema.get("properties", {})) else self.root
            if KEY in self.root:
                raise ValueError(f"{KEY} must not be given")
            _CHECKS.set(itertools.count(1))
            try:
                problems = [
                    f"{'.'.join(map(str, one.path))} {one.message}" for one in _first(validator.iter_errors(given))
                ]
            except referencing.exceptions.Unresolvable:
                problems = ["the tool's schema refers to something that is not there"]
            except Exception as error:  # noqa: BLE001  whatever a server's schema makes of the library
                raise ValueError(f"the tool's schema cannot be used ({type(error).__name__})") from None
            if problems:
                raise ValueError("; ".join(problems))
            return self

        @classmethod
        def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
            return json.loads(json.dumps(shown))  # type: ignore[no-any-return]  # a copy: who shows it may change it

    return Arguments


def _parts(schema: Any) -> int:
    """Number of objects and lists in `schema`, itself included. Raises `RecursionError`."""
    if not isinstance(schema, Mapping | list):
        return isinstance(schema, bool)  # as a schema of its own
    return 1 + sum(map(_parts, schema.values() if isinstance(schema, Mapping) else schema))


def _first(errors: Iterable[Any], count: int = 3) -> list[Any]:
    return [error for error, _ in zip(errors, range(count), strict=False)]


def _value(result: Any) -> Any:
    """Result of a tool, as JSON or text; if it is longer than the model sees, its beginning as text. Raises `ToolError`
    if it said that it failed."""
    text = "\n".join(part.text for part in result.content if getattr(part, "type", "") == "text")
    if result.is_error:
        raise ToolError(text[:500] or "it failed")
    if result.structured_content is None:
        return text[:RESULT_LIMIT]
    written = json.dumps(result.structured_content, ensure_ascii=False)
    return result.structured_content if len(written) <= RESULT_LIMIT else written[:RESULT_LIMIT]


def _cause(error: BaseException) -> str:
    """The first error in an exception group, as text."""
    error = first(error)
    return f"{type(error).__name__}: {error}"


@asynccontextmanager
async def connected(options: Sequence[McpOptions]) -> AsyncIterator[tuple[McpServer, ...]]:
    """All servers of an agent, connected to at the same time; a server that is down is connected to later."""
    servers = tuple(McpServer(one) for one in options)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(server.keep()) for server in servers]
        for server in servers:
            await server.ready()
        yield servers
        for task in tasks:
            task.cancel()
