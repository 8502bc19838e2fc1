"""Opens connections: one, or the first of several that can be opened (happy eyeballs, RFC 8305)."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from sipgw.sip.connection_key import ConnectionKey
from sipgw.sip.dialog import Peer
from sipgw.sip.tls import Tls

CONNECT_LIMIT = 4.0
"""Seconds for opening a connection, its TLS handshake included."""
ATTEMPT_DELAY = 0.25
"""Seconds that an attempt has before the next one begins beside it (RFC 8305 §5)."""


async def connect(stream: asyncio.Protocol, key: ConnectionKey, tls: Tls, local: str | None) -> str:
    """Open the connection of `stream` to the place of `key`, from the address `local` if it is given. Returns why that
    failed, or an empty string."""
    try:
        context = tls.client() if key.transport == "tls" else None
        name = (key.name or key.host.partition("%")[0]) if context else None
        async with asyncio.timeout(CONNECT_LIMIT):
            await asyncio.get_running_loop().create_connection(
                lambda: stream,
                key.host,
                key.port,
                ssl=context,
                server_hostname=name,
                local_addr=(local, 0) if local else None,
            )
    except (OSError, OverflowError, UnicodeError, TimeoutError) as error:
        return cause_of(error)
    return ""


def contenders(hops: tuple[Peer, ...]) -> tuple[Peer, ...]:
    """The two addresses for a `race`: the best one, and the best of the other IP version for the same service; empty if
    there is no such pair.

    Over UDP there is nothing to connect. Other servers of the domain take no part: the domain has put them in order.
    """
    for hop in hops[1:]:
        first = hops[0]
        if first.transport != "udp" and hop[::2] == first[::2] and (":" in hop.host) != (":" in first.host):
            return first, hop
    return ()


async def race(hops: tuple[Peer, ...], attempt: Callable[[Peer], Awaitable[bool]]) -> Peer | None:
    """The first of `hops` for which `attempt` succeeds; None if it does for none.

    Each attempt begins `ATTEMPT_DELAY` after the one before, or as soon as one has failed. When one succeeds, the
    others are cancelled.
    """
    winner, left = None, list(hops)
    running: dict[asyncio.Task[bool], Peer] = {}

    async def tried(hop: Peer) -> bool:
        return await attempt(hop)

    async with asyncio.TaskGroup() as group:
        while winner is None and (left or running):
            if left:
                hop = left.pop(0)
                running[group.create_task(tried(hop))] = hop
            limit = ATTEMPT_DELAY if left else None
            done, _ = await asyncio.wait(running, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                hop = running.pop(task)
                winner = hop if winner is None and task.result() else winner
        for task in running:
            task.cancel()
    return winner


def cause_of(error: Exception) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError) and not str(error):
        return "timeout"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def ours(address: str) -> bool:
    """Whether this machine has the IP address."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
