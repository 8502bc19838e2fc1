"""The path to a browser: ICE, DTLS and SRTP by aiortc; no other part of aiortc is used.

Packets of the browser are decrypted and passed on, otherwise unchanged, as plain datagrams to a channel of the media
process; the packets that it sends on its schedule are encrypted here. So jitter buffer, pacing, keys, reports and
recording are those of any other call, and mu-law is not transcoded. The peer connection of aiortc would decode and
encode every packet.

It needs the extra ``webrtc``, so only `media.browsers.worker` imports it, in a process of its own. Two private methods
of aiortc's DTLS transport are overridden, one is called, streams are removed from its session of libsrtp, and the queue
of aioice gets a bound; pyproject.toml names the versions that have them.
"""

import asyncio
import contextlib
import socket
from collections import deque
from dataclasses import replace
from typing import Any

from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCIceGatherer, RTCIceParameters, RTCIceServer
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceTransport, candidate_to_aioice

from media.browsers.transport import HUNG_UP, LIMIT, LocalEnd, Network, PathFailed

LARGEST = 2048
"""Bytes of a datagram."""
STREAMS = 4
"""Streams (SSRC) of a browser that libsrtp keeps, for sound and RTCP together; a browser has one of each."""
UNREAD = 64
"""Datagrams that may wait until DTLS reads them; a lost handshake is sent again."""
REMOVED = 16
"""Streams that are remembered after they were removed."""
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class _Received(asyncio.Queue[Any]):
    """Datagrams that DTLS has not read yet. DTLS reads none until ICE has found a path, and anybody may send some."""

    def put_nowait(self, item: Any) -> None:
        """Add a datagram, or drop it if too many wait. None, the mark of the end, is always added."""
        if item is None or self.qsize() < UNREAD:
            super().put_nowait(item)


class _Dtls(RTCDtlsTransport):
    """Passes decrypted packets on instead of decoding them.

    libsrtp itself keeps each authentic SSRC for good and searches all of them at every packet. Here the oldest
    SSRC makes room. Its packets are refused afterwards, because without its replay list they could be sent again.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.onward: socket.socket | None = None
        self._streams = deque[int]()
        self._removed = deque[int](maxlen=REMOVED)

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self._hand_on(data, data[8:12])

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self._hand_on(data, data[4:8])

    def _hand_on(self, data: bytes, ssrc: bytes) -> None:
        stream = int.from_bytes(ssrc, "big")
        if stream in self._removed:
            self._rx_srtp.remove_stream(stream)
            return
        if stream not in self._streams:
            self._streams.append(stream)
            if len(self._streams) > STREAMS:
                self._removed.append(self._streams.popleft())
                self._rx_srtp.remove_stream(self._removed[-1])
        if self.onward is not None:
            with contextlib.suppress(OSError):  # the media process is overloaded or has ended: the packet is lost
                self.onward.send(data)


class BrowserPath:
    """The path of one call: `gather`, `connect`, `attach` to a channel's port, then `carry` until the end."""

    def __init__(self, network: Network) -> None:
        self.closed = False
        self._network = network
        self._gatherer = RTCIceGatherer(iceServers=[RTCIceServer(f"stun:{network.stun}")] if network.stun else [])
        self._gatherer._connection._queue = _Received()  # noqa: SLF001  see above
        self._ice = RTCIceTransport(self._gatherer)
        self._certificate = RTCCertificate.generateCertificate()
        self._dtls = _Dtls(self._ice, [self._certificate])
        self._broken = asyncio.Event()
        self._dtls.on("statechange", self._look)
        self._ice.on("statechange", self._look)

    async def gather(self) -> LocalEnd:
        """Open ports on every interface; returns the parameters that the browser needs. Raises `PathFailed`."""
        await self._gatherer.gather()
        told, ours = self._gatherer.getLocalParameters(), self._gatherer.getLocalCandidates()
        if not ours:
            raise PathFailed("no UDP port is free on any interface; see [browser] port_range")
        candidates = [candidate_to_aioice(one).to_sdp() for one in ours]
        for address in self._network.addresses:
            same = [one for one in ours if one.type == "host" and (":" in str(one.ip)) == (":" in address)]
            candidates += [candidate_to_aioice(replace(one, ip=address)).to_sdp() for one in same]
        return LocalEnd(
            told.usernameFragment or "",
            told.password or "",
            tuple((one.algorithm, one.value) for one in self._dtls.getLocalParameters().fingerprints),
            tuple(candidates),
        )

    async def connect(self, user: str, password: str, fingerprints: tuple[tuple[str, str], ...]) -> None:
        """Wait until the browser has connected, and agree on keys with it. Raises `PathFailed`.

        ICE gets no candidates of the browser, and is not told that there are none. So it waits for the browser's
        checks.
        """
        try:
            async with asyncio.timeout(LIMIT):
                await self._ice.start(RTCIceParameters(user, password))
                if self._ice.state == "completed":
                    named = [RTCDtlsFingerprint(algorithm, value) for algorithm, value in fingerprints]
                    await self._dtls.start(RTCDtlsParameters(named))
        except TimeoutError:
            where = "keys were not agreed on" if self._ice.state == "completed" else "no way was found"
            raise PathFailed(f"the browser did not connect within {LIMIT:.0f} s: {where}") from None
        if self.closed:
            raise PathFailed(HUNG_UP)
        if self._dtls.state != "connected":
            where = "DTLS" if self._ice.state == "completed" else "ICE"
            raise PathFailed(f"the browser could not be connected: {where} failed")

    def attach(self, host: str, port: int) -> tuple[str, int]:
        """Pass packets to the media process, which listens on `port` of `host`; returns our own address."""
        host = LOOPBACK.get(host, host)
        onward = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        onward.setblocking(False)
        onward.connect((host, port))  # a connected socket receives no datagrams of others
        self._dtls.onward = onward
        address, ours = onward.getsockname()[:2]
        return address, ours

    async def carry(self) -> str:
        """Send the packets of the media process to the browser until it cannot be reached; returns why."""
        onward, loop = self._dtls.onward, asyncio.get_running_loop()
        if onward is None:
            raise RuntimeError("the path is attached to no channel yet")

        async def send() -> None:
            while True:
                with contextlib.suppress(OSError):  # `_broken` ends the loop; until then packets are lost
                    await self._dtls._send_rtp(await loop.sock_recv(onward, LARGEST))  # noqa: SLF001  see above

        async with asyncio.TaskGroup() as group:
            sending = group.create_task(send())
            await self._broken.wait()
            sending.cancel()
        return "the browser was not heard from any more" if self._ice.state == "failed" else HUNG_UP

    async def close(self) -> None:
        """Close the ports, which ends `connect` and `carry`, and tell the browser; safe at any time, and twice."""
        self.closed = True
        self._broken.set()
        self._dtls.remove_all_listeners()
        self._ice.remove_all_listeners()
        await self._dtls.stop()
        await self._ice.stop()
        onward, self._dtls.onward = self._dtls.onward, None
        if onward is not None:
            onward.close()

    def _look(self) -> None:
        if self._dtls.state in ("closed", "failed") or self._ice.state in ("closed", "failed"):
            self._broken.set()
