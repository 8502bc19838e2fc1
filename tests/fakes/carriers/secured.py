"""What carriers and PBXs with TLS 1.2 or later and SRTP by SDES have in common."""

import asyncio
import base64
import os
import re
import ssl
from typing import Any, Self

import pylibsrtp

from sipgw.sip.message import Request
from sipgw.sip.parse import ParseError, Ping, StreamFramer
from tests.fakes.carriers.carrier import Carrier, Rtp

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
"""They take both and offer the first only; none knows an MKI."""
CRYPTO = re.compile(rb"a=crypto:(\d+) (AES_CM_128_HMAC_SHA1_(?:80|32)) inline:([A-Za-z0-9+/=]{40})\r\n")


class TlsWire:
    """Messages over TLS for those who know datagrams: `sendto` uses the connection with that address, or opens one."""

    def __init__(self, carrier: "Secured", server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        self.versions: set[str] = set()
        self._carrier = carrier
        self._contexts = (server, client)
        self._server: Any = None
        self._writers: dict[Any, asyncio.StreamWriter] = {}
        self._opening: dict[Any, list[bytes]] = {}

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._carrier.host, 0, ssl=self._contexts[0])

    def get_extra_info(self, name: str) -> Any:
        assert name == "sockname"
        return self._server.sockets[0].getsockname()

    def sendto(self, data: bytes, addr: Any) -> None:
        if addr in self._writers:
            self._writers[addr].write(data)
        elif addr in self._opening:
            self._opening[addr].append(data)
        else:
            self._opening[addr] = [data]
            self._carrier._tasks.create_task(self._connect(addr))

    async def _connect(self, addr: Any) -> None:
        reader, writer = await asyncio.open_connection(
            *addr, ssl=self._contexts[1], server_hostname=addr[0], local_addr=(self._carrier.host, 0)
        )
        for data in self._opening.pop(addr):
            writer.write(data)
        await self._read(reader, writer, addr)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._read(reader, writer, writer.get_extra_info("peername")[:2])

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, addr: Any) -> None:
        self._writers[addr] = writer
        self.versions.add(writer.get_extra_info("ssl_object").version())
        framer = StreamFramer()
        while data := await reader.read(65536):
            framer.feed(data)
            while (message := framer.next_message()) is not None:
                assert not isinstance(message, ParseError)
                if isinstance(message, Ping):
                    writer.write(b"\r\n")  # double CRLF ping, single CRLF pong
                else:
                    self._carrier.datagram_received(message.to_bytes(), addr)
        del self._writers[addr]

    def close(self) -> None:
        self._server.close()
        for writer in self._writers.values():
            writer.transport.abort()


class SecureRtp(Rtp):
    """Counts only what was sent under the key that the gateway has told."""

    def __init__(self) -> None:
        super().__init__()
        self.key = os.urandom(30)
        self.forged = 0
        self._sessions: tuple[pylibsrtp.Session, pylibsrtp.Session] | None = None

    def secure(self, suite: str, theirs: bytes) -> None:
        kinds = pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND
        ours, theirs_ = (
            pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=kind, srtp_profile=SUITES[suite]))
            for key, kind in zip((self.key, theirs), kinds, strict=True)
        )
        self._sessions = ours, theirs_

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._sessions is None or 192 <= data[1] < 224:
            return  # it has overtaken the answer with its key; or it is SRTCP
        try:
            self._sessions[1].unprotect(data)
        except pylibsrtp.Error:
            self.forged += 1
        else:
            super().datagram_received(data, addr)

    def packet(self, number: int) -> bytes:
        assert self._sessions is not None
        return bytes(self._sessions[0].protect(super().packet(number)))


class Secured(Carrier):
    """Beside the class of a carrier or PBX: it speaks TLS, and SRTP by the keys of the descriptions."""

    transport = "TLS"
    media = SecureRtp

    def secure(self, server: ssl.SSLContext, client: ssl.SSLContext) -> Self:
        """Be secured by these, with which it takes and opens connections."""
        self.tls = TlsWire(self, server, client)
        return self

    async def opened(self) -> TlsWire:
        await self.tls.open()
        return self.tls

    @staticmethod
    def has_keys(request: Request) -> bool:
        """Whether keys are offered where they may be."""
        return b"RTP/SAVP " in request.body and CRYPTO.search(request.body) is not None

    def _described(self, rtp: Rtp, tag: bytes, suite: bytes) -> bytes:
        assert isinstance(rtp, SecureRtp)
        line = b"a=crypto:%s %s inline:%s\r\n" % (tag, suite, base64.b64encode(rtp.key))
        return self.sdp(rtp.port).replace(b"RTP/AVP", b"RTP/SAVP") + line

    def offer_sdp(self, rtp: Rtp) -> bytes:
        return self._described(rtp, b"1", b"AES_CM_128_HMAC_SHA1_80")

    def answer_sdp(self, offer: bytes, rtp: Rtp) -> bytes:
        tag, suite, key = CRYPTO.findall(offer)[0]
        assert isinstance(rtp, SecureRtp)
        rtp.secure(suite.decode(), base64.b64decode(key))
        return self._described(rtp, tag, suite)

    def agreed(self, rtp: Rtp, answer: bytes) -> None:
        found = CRYPTO.findall(answer)
        if b"RTP/SAVP " not in answer or len(found) != 1 or found[0][:2] != (b"1", b"AES_CM_128_HMAC_SHA1_80"):
            self.faults.append(f"our keys were answered with {answer!r}")
            return
        assert isinstance(rtp, SecureRtp)
        rtp.secure(found[0][1].decode(), base64.b64decode(found[0][2]))
