"""HTTP to one model server, for all calls: a JSON request, and an answer that is read as it comes (aiohttp).

Import it in a thread, before the first call: aiohttp takes a tenth of a second.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from agent.errors import ProviderError
from agent.providers.connections import Warming, tls

CONNECTIONS = 1000
"""The most at a time; further requests wait."""
KEEP_CONNECTION = 60.0
"""Seconds that an idle connection is kept; the library's own 15 would cost a TLS handshake in many turns."""
WARM = 30.0
"""Seconds after the last answer in which its connection surely stands; servers keep an idle one as long."""
MAX_REFUSAL = 64 << 10
"""Bytes of a refusal that are read."""


class ModelRefusal(Exception):  # noqa: N818  an answer
    """The server's answer is not 2xx."""

    def __init__(self, response: aiohttp.ClientResponse, body: Any) -> None:
        super().__init__(f"HTTP {response.status}")
        self.status, self.headers = response.status, response.headers
        self.body = body
        """As JSON; None if it is none."""


class ModelServer:
    """Follows no redirection, takes no cookies, and uses the proxy of the environment."""

    def __init__(self, name: str, url: str, headers: Mapping[str, str], connect_limit: float) -> None:
        """`headers` hold the key; it is in no request that only opens a connection."""
        self._name, self._url = name, url.rstrip("/")
        self._headers = {"Accept-Encoding": "identity", "Content-Type": "application/json", **headers}
        self._connect_limit = connect_limit
        self._open: aiohttp.ClientSession | None = None
        self._used = float("-inf")
        """When an answer was last read to its end, so that its connection stands."""
        self._warming: Warming | None = None

    def warm(self) -> None:
        """Open a connection in the background unless one stands, so that the first reply of a call finds it."""
        if self._idle > WARM and not (self._warming and self._warming.going_on):
            self._warming = Warming(self._connect, aiohttp.ClientError, OSError)

    async def close(self) -> None:
        """Close the connections."""
        if self._warming is not None:
            await self._warming.stop()
        if self._open is not None:
            await self._open.close()

    @contextlib.asynccontextmanager
    async def ask(self, path: str, request: Mapping[str, Any], limit: float) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to `request`. Its first byte, and each further one, has `limit` seconds.

        Raises `ModelRefusal`, `ProviderError` for a connection that fails, and TimeoutError.
        """
        body = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
        async with await self._post(path, body, limit) as response:
            if not response.ok or response.status >= 300:
                raise ModelRefusal(response, await self._refusal(response))
            yield response

    async def pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body as it comes. Raises as `ask` does."""
        with self._faults():
            async for data in response.content.iter_any():
                yield data
        self._used = asyncio.get_running_loop().time()

    async def _post(self, path: str, body: bytes, limit: float) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, connect=limit, sock_connect=self._connect_limit, sock_read=limit)
        with self._faults():
            for last in (False, True):
                try:
                    return await self._session().post(
                        f"{self._url}/{path}", data=body, headers=self._headers, timeout=timeout, allow_redirects=False
                    )
                except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
                    if last or not self._had_ended(error):
                        raise
        raise AssertionError("the last one returns or raises")

    def _had_ended(self, error: Exception) -> bool:
        """Whether the server had ended a connection that was kept: llama.cpp does after each stream, unannounced.

        Then no request has reached it. aiohttp tries those again by itself, but no POST.
        """
        return self._idle < KEEP_CONNECTION and not isinstance(error, aiohttp.ClientConnectorError)

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Every fault of a connection as a `ProviderError`; what comes too late stays a TimeoutError."""
        try:
            yield
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
                raise
            raise ProviderError(self._name, "connection failed", refused=True) from None

    async def _refusal(self, response: aiohttp.ClientResponse) -> Any:
        body = b""
        async for data in self.pieces(response):
            body += data
            if len(body) > MAX_REFUSAL:
                return None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return None

    async def _connect(self) -> None:
        limit = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_limit, sock_read=self._connect_limit)
        async with self._session().get(self._url, timeout=limit, allow_redirects=False) as response:
            await self._refusal(response)

    def _session(self) -> aiohttp.ClientSession:
        """Made when it is first used, in the loop that uses it."""
        if self._open is None:
            self._open = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_CONNECTION, ssl=tls()),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "sipgw"},
                proxy=_proxy(self._url),
            )
        return self._open

    @property
    def _idle(self) -> float:
        return asyncio.get_running_loop().time() - self._used


def _proxy(url: str) -> str | None:
    """The proxy of the environment for requests to `url`."""
    there, known = urlsplit(url), getproxies()
    return None if proxy_bypass(there.netloc) else known.get(there.scheme) or known.get("all")
