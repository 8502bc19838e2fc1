"""Records the messages between a provider and its service, without private content (docs/providers/own.md).

The provider connects to a server on the loopback, which passes everything on to the service and keeps a copy. Only the
shape of the copied messages is stored: names of fields, types of values, and words that name the kind of a message.
"""

import asyncio
import contextlib
import json
import re
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agent.authorities import tls
from agent.providers.provider import Provider
from agent.providers.sse import DONE, Events

MOST = 8 << 20
"""Maximum bytes that are kept of one direction of a connection."""
WORDS = frozenset(
    ("type", "event", "message_type", "object", "role", "status", "finish_reason", "stop_reason", "encoding", "code")
)
"""Fields whose words name a kind. These words are kept."""
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,59}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,59}")
_STATUS = re.compile(r"HTTP/1\.[01] ([1-9][0-9]{2})(?: |$)")

Recorded = list[dict[str, Any]]


def redacted(value: Any, key: str = "") -> Any:
    """`value` without private content: a text becomes its length, a number becomes 0. Only words in fields of `WORDS`
    stay."""
    match value:
        case dict():
            return {name if _NAME.fullmatch(name) else "<name>": redacted(one, name) for name, one in value.items()}
        case list():
            return _distinct([redacted(one) for one in value])
        case str():
            return value if key in WORDS and _WORD.fullmatch(value) else f"<{len(value)} characters>"
        case bool() | None:
            return value
        case int():
            return 0
        case _:
            return 0.0


def _is_id(part: str) -> bool:
    """Whether a part of a URL's path may identify something of the account: a long word that is not all small
    letters."""
    return re.fullmatch(r"(?![a-z_-]+$)[\w-]{15,}", part) is not None


def _distinct(found: list[Any]) -> list[Any]:
    """One message of each shape. Messages that differ only in lengths have the same shape."""
    return list({re.sub(r"<\d+ characters>", "", json.dumps(one, sort_keys=True)): one for one in found}.values())


@dataclass
class _Connection:
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)

    def messages(self) -> Iterator[dict[str, Any]]:
        yield from _stream(bytes(self.up), "client")
        yield from _stream(bytes(self.down), "server")


def _stream(data: bytes, side: str) -> Iterator[dict[str, Any]]:
    """The messages in the bytes of one direction. An incomplete message at the end is left out."""
    while b"\r\n\r\n" in data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if side == "client":
            url = urllib.parse.urlsplit(first.split(" ")[1] if first.count(" ") == 2 else "")
            path = "/".join("<id>" if _is_id(part) else part for part in url.path.split("/"))
            query = sorted(name for name, _ in urllib.parse.parse_qsl(url.query, keep_blank_values=True))
            yield {"from": side, "what": "request", "path": path, "query": query}
        else:
            status = int(found[1]) if (found := _STATUS.match(first)) else 0
            yield {"from": side, "what": "response", "status": status}
            if status >= 200 and status not in (204, 304) and "transfer-encoding" not in fields:
                fields.setdefault("content-length", str(len(data)))  # the body ends with the connection (RFC 9112 §6.3)
        if fields.get("upgrade", "").lower() == "websocket":
            yield from _frames(data, side)
            return
        body, data = _body(data, fields)
        yield from _bodies(body, fields.get("content-type", ""), side)


def _body(data: bytes, fields: dict[str, str]) -> tuple[bytes, bytes]:
    if "chunked" not in fields.get("transfer-encoding", ""):
        length = int(fields.get("content-length", 0))
        return data[:length], data[length:]
    body = b""
    while b"\r\n" in data:
        size, _, data = data.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        body, data = body + data[:length], data[length + 2 :]
        if not length:
            break
    return body, data


def _bodies(body: bytes, kind: str, side: str) -> Iterator[dict[str, Any]]:
    if "event-stream" in kind:
        for text in Events().feed(body):
            yield {"from": side, "what": "event", "body": DONE if text == DONE else _json(text)}
    elif "json" in kind:
        yield {"from": side, "what": "body", "body": _json(body.decode(errors="replace"))}
    elif body:
        yield {"from": side, "what": "binary"}


def _frames(data: bytes, side: str) -> Iterator[dict[str, Any]]:
    """The messages of a websocket (RFC 6455 §5.2)."""
    whole, opcode = b"", 0
    while len(data) >= 2:
        final, code, masked, length, at = data[0] & 128, data[0] & 15, data[1] & 128, data[1] & 127, 2
        if length > 125:
            at = 4 if length == 126 else 10
            length = int.from_bytes(data[2:at])
        mask, at = (data[at : at + 4], at + 4) if masked else (b"", at)
        load, data = data[at : at + length], data[at + length :]
        if len(load) < length:
            return
        if mask:
            load = bytes(byte ^ mask[number % 4] for number, byte in enumerate(load))
        if code == 8:
            yield {"from": side, "what": "close", "code": int.from_bytes(load[:2])}
        elif code < 8:
            whole, opcode = whole + load, code or opcode
            if final:
                told = _json(whole.decode(errors="replace")) if opcode == 1 or whole.startswith(b"{") else None
                if opcode == 1:
                    yield {"from": side, "what": "text", "body": told}
                else:  # Gemini sends its JSON as binary
                    yield {"from": side, "what": "binary", **({"body": told} if isinstance(told, dict) else {})}
                whole = b""


def _json(text: str) -> Any:
    try:
        return redacted(json.loads(text))
    except (ValueError, RecursionError):
        return redacted(text)


class LoopbackProxy:
    """A server on the loopback that passes all requests on to the service at `url`."""

    def __init__(self, url: str) -> None:
        self._url = urllib.parse.urlsplit(url)
        self._connections: list[_Connection] = []
        self.url = ""
        """The server's own address; empty before `listening`."""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve until the end of the block."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101
            tasks.add(task)
            try:
                with contextlib.suppress(OSError, asyncio.CancelledError):  # the service is not there, or all is over
                    await self._serve(reader, writer)
            finally:
                tasks.discard(task)
                writer.transport.abort()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            plain = {"https": "http", "wss": "ws"}.get(self._url.scheme, self._url.scheme)
            self.url = self._url._replace(scheme=plain, netloc=address).geturl()
            yield
            for task in (left := list(tasks)):
                task.cancel()
            if left:
                await asyncio.wait(left)

    def recorded(self) -> Recorded:
        """One message of each shape, in the order in which they came."""
        return _distinct([one for connection in self._connections for one in connection.messages()])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.append(kept := _Connection())
        safe, host = self._url.scheme in ("https", "wss"), self._url.hostname or ""
        port = self._url.port or (443 if safe else 80)
        above, up = await asyncio.open_connection(host, port, ssl=tls() if safe else None)
        own = urllib.parse.urlsplit(self.url).netloc.encode()

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter, copy: bytearray) -> None:
            while data := await source.read(1 << 16):
                if sink is up and b" HTTP/1.1\r\n" in data:  # the service accepts only its own host name
                    data = re.sub(rb"(?i)(\r\naccept-encoding:)[^\r]*", rb"\1 identity", data)
                    data = data.replace(own, self._url.netloc.encode())
                copy += data[: max(0, MOST - len(copy))]
                sink.write(data)
                await sink.drain()
            sink.write_eof() if sink.can_write_eof() else sink.close()

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pass_on(reader, up, kept.up))
                group.create_task(pass_on(above, writer, kept.down))
        except* OSError:
            pass  # one side has closed the connection
        finally:
            up.transport.abort()


@contextlib.asynccontextmanager
async def taken_down(record: Provider, options: Any, folder: Path) -> AsyncIterator[Any]:
    """Options with which the provider connects through the recording server. At the end of the block the recorded
    messages are written to ``folder/section.json``."""
    tap = LoopbackProxy(options.endpoint)
    async with tap.listening():
        yield options.through(tap.url)
    _write(folder, record, tap.recorded())


def _write(folder: Path, record: Provider, messages: Recorded) -> None:
    path = folder / f"{record.section}.json"
    told = {"provider": f"{record.part}:{record.name}", "day": f"{datetime.now(UTC):%Y-%m-%d}"}
    told |= {"sipgw": version("sipgw")}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told | {"messages": messages}, indent=1) + "\n", encoding="utf-8")
