"""Webhooks: events of calls for other servers, their signature, and the HTTP request.

A body is JSON with ``id`` (the same at each try, to tell repeats apart), ``event``, ``call``, ``at``, ``about`` (who
called whom, on which trunk, with which agent) and ``data``. ``Sipgw-Signature: t=SECONDS,v1=HEX`` is the HMAC-SHA256
of ``SECONDS.BODY`` with the secret.
"""

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import Mapping

import httpx2

from agent.authorities import tls
from agent.bodies import TooLargeError, within
from agent.pinned import PrivateAddress, anywhere, ask, public
from agent.pool import Pool, PoolFullError
from sipgw.config.records import WebhookOptions

ANSWER = 16 << 10
"""Bytes of a response that are read; its content is ignored."""


class PostFailed(Exception):  # noqa: N818  it says what has happened
    """The other server did not accept the event or mail; the message says why."""

    def __init__(self, why: str, *, wait: float | None = None, final: bool = False, asked: bool = True) -> None:
        """`wait`: seconds until the next try, None for the usual pause; `final`: no further try; `asked`: whether the
        other server was asked at all.
        """
        super().__init__(why)
        self.wait = wait
        self.final = final
        self.asked = asked


NAMES = Pool("the names of webhooks", workers=4, waiting=64)
"""Threads that look up the hosts of targets, whose name servers may not answer."""


def signature(secret: str, seconds: int, body: bytes) -> str:
    """The value of ``Sipgw-Signature``."""
    digest = hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def genuine(secret: str, header: str, body: bytes, now: float, tolerance: float = 300.0) -> bool:
    """Whether `header` was made with `secret` for `body` within the last `tolerance` seconds."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    seconds = parts.get("t", "")
    if not (seconds.isascii() and seconds.isdigit()) or len(seconds) > 12 or abs(now - int(seconds)) > tolerance:
        return False
    return hmac.compare_digest(signature(secret, int(seconds), body).encode(), header.encode())


def new_client() -> httpx2.AsyncClient:
    """A client for `post`."""
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=20)
    return httpx2.AsyncClient(limits=limits, timeout=60.0, trust_env=False, verify=tls(), event_hooks=within(ANSWER))


async def post(client: httpx2.AsyncClient, options: WebhookOptions, body: bytes, headers: Mapping[str, str]) -> None:
    """Send `body`. Raises `PostFailed` unless the answer is 2xx; a redirection is an error, too."""
    try:
        async with asyncio.timeout(options.timeout):
            await _post(client, options, body, headers)
    except TimeoutError:
        raise PostFailed(f"no answer within {options.timeout:g} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError, PoolFullError) as error:
        raise PostFailed(f"{type(error).__name__}: {error}"[:200]) from None


async def _post(client: httpx2.AsyncClient, options: WebhookOptions, body: bytes, headers: Mapping[str, str]) -> None:
    url, allowed = httpx2.URL(options.url), anywhere if options.private_networks else public
    told = {"Content-Type": "application/json", **headers}
    try:
        response = await ask(client, "POST", url, NAMES, allowed, content=body, headers=told)
    except PrivateAddress as error:
        raise PostFailed(f"{error}; set private_networks = true if that is meant") from None
    try:
        with contextlib.suppress(TooLargeError):
            await response.aread()
    finally:
        await response.aclose()
    if not response.is_success:
        raise PostFailed(f"answered {response.status_code}")
