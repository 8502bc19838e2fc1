"""The files of the pages: scripts, styles and pictures, the same for everybody. Each is read and compressed once.

A page of a call asks for twenty of them; reading and compressing them each time took most of the server's work for it.
"""

import asyncio
import gzip
import hashlib
import mimetypes
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from sipgw.web.state import READING

SMALL = 1000
"""Bytes up to which a file is not compressed."""


class StaticFile(NamedTuple):
    """A file as it is sent."""

    kind: str
    plain: bytes
    packed: bytes
    """The content compressed by gzip; empty for a small file."""
    tag: str


class StaticFiles:
    """ASGI application that serves the files of a folder. Each file is kept as it was at its first request."""

    def __init__(self, folder: Path) -> None:
        self._paths = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        self._read: dict[str, StaticFile] = {}
        self._reading = asyncio.Lock()
        """Held while a file is read, so that each file is read once, even if many requests come at the same time."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (await self._answer(Request(scope)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        name = request.scope["path"].removeprefix(request.scope.get("root_path", "")).lstrip("/")
        if name not in self._paths:
            return PlainTextResponse("Not Found", 404)
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Method Not Allowed", 405)
        file = self._read.get(name) or await self._first(name)
        headers = {"ETag": file.tag, "Vary": "Accept-Encoding"}
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        packed = bool(file.packed) and "gzip" in request.headers.get("accept-encoding", "")
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(file.packed if packed else file.plain, media_type=file.kind, headers=headers)

    async def _first(self, name: str) -> StaticFile:
        """Read a file at its first request. Raises OSError, `PoolFullError`."""
        async with self._reading:
            if name not in self._read:
                self._read[name] = await READING.run(read, self._paths[name])
            return self._read[name]


def read(path: Path) -> StaticFile:
    """A file, ready to be sent. Raises OSError."""
    plain = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    packed = gzip.compress(plain, 9) if len(plain) > SMALL else b""
    return StaticFile(kind, plain, packed, f'W/"{hashlib.sha256(plain).hexdigest()[:16]}"')
