"""An upgrade in place: the SIP sockets go to the next process on the same machine, the calls stay in the old one.

The old process waits at a socket file (`Offer`). The new one connects there and receives the UDP sockets and the
listening sockets (`inherit`, `Link.bequeath`). From then on it reads every message, and sends messages of the old
process's calls back over the same `Link`. The old process responds on its own copy of the UDP socket, or over the link
if the new process has the connection. When its last call is over the old process ends.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

import structlog

from sipgw.sip.dialog import Peer
from sipgw.sip.message import Request, Response
from sipgw.sip.parse import ParseError
from sipgw.sip.user_agent import UserAgent

log = structlog.get_logger()

LARGEST = 256 * 1024
"""Bytes of a packet on the link."""
MOST = 8
"""Files that are handed over: the sockets, and the list of Call-IDs."""
LIMIT = 10.0
"""Seconds in which the old process must hand its sockets over."""

Sockets = dict[str, socket.socket]
"""Sockets by transport and IP version: ``udp4``, ``tcp6``, ``tls4``."""
Receive = Callable[[bytes, Peer], None]


class Link:
    """The link between the old and the new process. Each packet has one SIP message and its peer."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * LARGEST)
        self._end = end
        self.dropped = 0
        """Messages for which the buffer had no room. As after a loss on the network, they may be sent again."""

    def bequeath(self, sockets: Sockets, calls: frozenset[str]) -> None:
        """Give the sockets away, and the Call-IDs of our calls and transactions. Raises `OSError`."""
        # The Call-IDs go in a file, which has no limit: callers choose their length and number.
        with tempfile.TemporaryFile() as listed:
            listed.write(json.dumps(sorted(calls)).encode())
            listed.flush()
            head = json.dumps({"sockets": list(sockets)}).encode()
            socket.send_fds(self._end, [head], [*(one.fileno() for one in sockets.values()), listed.fileno()])
        for one in sockets.values():
            one.close()

    @property
    def gone(self) -> bool:
        """Whether the other process has closed its end: it does not wait for the sockets any more."""
        try:
            return not self._end.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def listen(self, receive: Receive) -> None:
        """Give each message to `receive`, until the other process is gone."""
        asyncio.get_running_loop().add_reader(self._end, self._read, receive)

    def _read(self, receive: Receive) -> None:
        try:
            packet = self._end.recv(LARGEST)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self.close()
            return
        head, _, data = packet.partition(b"\n")
        transport, host, port, connection = json.loads(head)
        receive(data, Peer(transport, host, port, connection))

    def send(self, data: bytes, peer: Peer) -> None:
        """Send a message to the other process."""
        head = json.dumps([peer.transport, peer.host, peer.port, peer.connection]).encode()
        try:
            self._end.send(head + b"\n" + data)
        except OSError:
            self.dropped += 1

    @property
    def open(self) -> bool:
        """Whether the other process is there."""
        return self._end.fileno() >= 0

    def close(self) -> None:
        """Close our end."""
        if self.open:
            asyncio.get_running_loop().remove_reader(self._end)
            self._end.close()


class Inherited(NamedTuple):
    """The sockets and the link of an older process."""

    link: Link
    sockets: Sockets
    calls: frozenset[str]
    """The Call-IDs of its calls and transactions."""

    def takes(self, message: Request | Response | ParseError, agent: UserAgent) -> bool:
        """Whether a message belongs to the older process: to a dialog or transaction that is not ours."""
        if not self.link.open or isinstance(message, ParseError) or agent.knows(message):
            return False
        if isinstance(message, Response) or message.to.tag or message.method in ("ACK", "CANCEL"):
            return True
        return message.call_id in self.calls  # an INVITE that is resent


async def inherit(path: str) -> Inherited | None:
    """Ask the process that waits at `path` for its sockets; None if there is none. Raises `OSError`."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LIMIT):
            await loop.sock_connect(end, path)
            readable = asyncio.Event()
            loop.add_reader(end, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(end)
            head, given, _, _ = socket.recv_fds(end, LARGEST, MOST)
    except (FileNotFoundError, ConnectionRefusedError):
        end.close()
        return None
    except TimeoutError:
        end.close()
        raise TimeoutError("the running gateway does not hand its sockets over") from None
    except asyncio.CancelledError:  # a signal ends the start: the old process must not give its sockets away
        end.close()
        raise
    told = json.loads(head)
    sockets = {name: socket.socket(fileno=one) for name, one in zip(told["sockets"], given, strict=False)}
    for one in sockets.values():
        one.setblocking(False)
    calls = frozenset(told["calls"] if "calls" in told else _listed(given[-1]))  # older releases: in the head
    log.info("sockets taken over", sockets=list(sockets), calls=len(calls))
    return Inherited(Link(end), sockets, calls)


def _listed(file: int) -> list[str]:
    """The Call-IDs in the file that was given along with the sockets."""
    with open(file, encoding="utf-8") as listed:
        listed.seek(0)
        calls: list[str] = json.load(listed)
        return calls


class Offer:
    """A context manager that waits at `path` for the next process; only the same user or root may connect."""

    def __init__(self, path: Path, asked: Callable[[], None]) -> None:
        self.link: Link | None = None
        """The link to the next process."""
        self._path = path
        self._asked = asked
        self._waiting: socket.socket | None = None

    async def __aenter__(self) -> Self:
        waiting = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._path.unlink(missing_ok=True)
            waiting.bind(str(self._path))
            self._path.chmod(0o600)
            waiting.listen(1)
        except OSError as error:
            waiting.close()
            log.warning("cannot be upgraded in place", path=str(self._path), cause=error.strerror or str(error))
            return self
        waiting.setblocking(False)
        self._waiting = waiting
        asyncio.get_running_loop().add_reader(waiting, self._come, waiting)
        return self

    def _come(self, waiting: socket.socket) -> None:
        try:
            end, _ = waiting.accept()
        except OSError:
            return
        _, user, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        if user not in (0, os.getuid()) or self.link is not None:
            end.close()
            return
        self.link = Link(end)
        self._close()
        self._asked()

    def _close(self) -> None:
        if self._waiting is not None:
            asyncio.get_running_loop().remove_reader(self._waiting)
            self._waiting.close()
            self._waiting = None
            with contextlib.suppress(OSError):
                self._path.unlink()

    async def __aexit__(self, *_: object) -> None:
        self._close()
        if self.link is not None:
            self.link.close()
