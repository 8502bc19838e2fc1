"""Limits for the bodies of HTTP answers: a client reads no more of a body than it allows, from any server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx2

LARGEST = 1 << 20
"""Most bytes in the body of a refusal, or of another short answer."""

CODINGS = {"gzip", "deflate", "br", "zstd"}
"""Content codings that the HTTP packages unpack. A body with any other coding, such as the ``none`` of some servers, is
read unchanged."""

GROWTH = 1032
"""Times as large as gzip and deflate can have packed something, at most; the other codings have no such limit."""

Hooks = dict[str, list[Callable[[Any], Awaitable[None]]]]


class TooLargeError(httpx2.RequestError):
    """The body of an answer is larger than the client allows, or packed, so that it may become larger.

    `status` and `fields` are the status and the headers of that answer.
    """

    def __init__(self, problem: str, status: int, fields: Mapping[str, str]) -> None:
        super().__init__(problem)
        self.status = status
        self.fields = fields


class BoundedBody:
    """A body of which at most `most` bytes may be read."""

    def __init__(self, body: httpx2.AsyncByteStream, most: int, response: Any) -> None:
        self.body = body
        self._most = most
        self._status: int = response.status_code
        self._fields = fields = response.headers
        codings = [one.strip() for one in fields.get("content-encoding", "").lower().split(",")]
        self.packed = not CODINGS.isdisjoint(codings)
        self._most_packed = most // GROWTH if codings in (["gzip"], ["deflate"]) else 0
        length = fields.get("content-length", "")
        self._told = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        if self._told > self._most:
            await self._refuse(f"the answer has more than {self._most} bytes")
        async for piece in self.body:
            size += len(piece)
            if self.packed and size > self._most_packed:
                await self._refuse("the answer is packed, though it was to be plain")
            if size > self._most:
                await self._refuse(f"the answer has more than {self._most} bytes")
            yield piece

    async def _refuse(self, problem: str) -> None:
        await self.aclose()
        raise TooLargeError(problem, self._status, self._fields)

    async def aclose(self) -> None:
        """Close the body; the connection ends too, if the body was not read to its end."""
        await self.body.aclose()


def within(most: int = LARGEST, kind: type = httpx2.AsyncByteStream) -> Hooks:
    """Event hooks of an HTTP client: to read more than `most` bytes of an answer raises `TooLargeError`.

    All servers are asked for plain answers. `kind` is the class of bodies of the client's package.
    """
    body = type("Body", (BoundedBody, kind), {})

    async def ask(request: Any) -> None:
        request.headers["Accept-Encoding"] = "identity"

    async def bound(response: Any) -> None:
        response.stream = body(response.stream, most, response)

    return {"request": [ask], "response": [bound]}


def lift(response: httpx2.Response) -> None:
    """Remove the limit of a streamed `response`: its reader uses each piece at once, or has a limit of its own.

    A packed body keeps its limit, and is refused.
    """
    if isinstance(response.stream, BoundedBody) and not response.stream.packed:
        response.stream = response.stream.body
