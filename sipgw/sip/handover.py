"""An upgrade in place: the sockets of SIP go to the next process on the same machine, the calls stay where they are.

The old process waits at a socket file (`Offer`). The new one connects there and is given the UDP sockets and the
listening ones (`inherit`, `Link.bequeath`). From then on it reads everything, and sends what belongs to calls of the
old process back to it over the same `Link`; their responses leave by the old process's own copy of the UDP socket, or,
for a connection that the new one has, over the link again. When its last call is over the old process ends.
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
"""Seconds that the old process may take."""

Sockets = dict[str, socket.socket]
"""By transport and IP version: ``udp4``, ``tcp6``, ``tls4``."""
Receive = Callable[[bytes, Peer], None]


class Link:
    """The way between the old process and the new one: packets of one SIP message and whom it came from or goes to."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * LARGEST)
        self._end = end
        self.dropped = 0
        """Messages for which there was no room; who sent them sends them again, or they are lost as on the network."""

    def bequeath(self, sockets: Sockets, calls: frozenset[str]) -> None:
        """Give the sockets away, and the Call-IDs of what goes on here. Raises `OSError`."""
        # The Call-IDs go in a file, which takes as many as there are; callers choose how long they are, and how many.
        with tempfile.TemporaryFile() as listed:
            listed.write(json.dumps(sorted(calls)).encode())
            listed.flush()
            head = json.dumps({"sockets": list(sockets)}).encode()
            socket.send_fds(self._end, [head], [*(one.fileno() for one in sockets.values()), listed.fileno()])
        for one in sockets.values():
            one.close()

    def listen(self, receive: Receive) -> None:
        """Give what comes to `receive`, until the other side is gone."""
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
        """Whether the other side is there."""
        return self._end.fileno() >= 0

    def close(self) -> None:
        """Close our end."""
        if self.open:
            asyncio.get_running_loop().remove_reader(self._end)
            self._end.close()


class Inherited(NamedTuple):
    """What an older process has left to us."""

    link: Link
    sockets: Sockets
    calls: frozenset[str]
    """The Call-IDs of what goes on there."""

    def takes(self, message: Request | Response | ParseError, agent: UserAgent) -> bool:
        """Whether a message belongs to the older process: it is inside something, and not inside anything of ours."""
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
        raise TimeoutError("the gateway that runs does not hand over") from None
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
    """Waits at `path` for the next process, as long as it is entered; only the same user may ask."""

    def __init__(self, path: Path, asked: Callable[[], None]) -> None:
        self.link: Link | None = None
        """To who has asked."""
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
