"""Browsers for the benchmark, in a process of their own: ``python -m tests.bench.browsers CALLS SECONDS``.

Prints its offers, reads the answers from stdin, talks, and prints what it saw. As in `tests.bench.rtp_load`, arrivals
are stamped by the kernel: on one machine that is the moment of the sender's system call.
"""

import asyncio
import json
import socket
import sys
from typing import Any

from aiortc import RTCSessionDescription

from media.rtp.packet import parse
from tests.bench.rtp_load import SO_TIMESTAMPNS, Stream
from tests.webrtc import Browser


class Stamping:
    """A socket that notes when each packet of sound came; the head of SRTP is readable."""

    def __init__(self, sock: socket.socket, stream: Stream) -> None:
        self._sock = sock
        self._stream = stream
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        data, ancillary, _, sender = self._sock.recvmsg(size, 64)
        if ancillary and parse(data):
            self._stream.arrivals.append((ancillary[0][2], data[:12], False))
        return data, sender

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


async def main(calls: int, seconds: float) -> None:
    browsers, streams = [Browser() for _ in range(calls)], [Stream() for _ in range(calls)]
    print(json.dumps([await browser.offer() for browser in browsers]), flush=True)
    answers = json.loads(await asyncio.to_thread(sys.stdin.readline))  # noqa: TID251
    for browser, stream, answer in zip(browsers, streams, answers, strict=True):
        for protocol in browser.connection.getSenders()[0].transport.transport._connection._protocols:
            protocol.transport._sock = Stamping(protocol.transport._sock, stream)  # type: ignore[attr-defined]
        await browser.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.sleep(seconds)
    print(json.dumps([stream.judge() for stream in streams]), flush=True)
    for browser in browsers:
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
