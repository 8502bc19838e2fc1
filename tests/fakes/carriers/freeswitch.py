"""FreeSWITCH as 1.10.12 was observed: strict about keys, and quick to report a transfer.

Hold, queues and parking were read in its source and not observed: commit cc93a683 of github.com/signalwire/freeswitch
(August 2026). The functions are named where they are imitated.
"""

import asyncio
import re
from itertools import count
from typing import Any
from urllib.parse import unquote

from media.g711 import FRAME
from media.rtp import packet as rtp
from sipgw.sip.message import Request, Response
from sipgw.sip.sdp import Sdp
from tests.fakes.carriers.carrier import Call, Fields, Rtp
from tests.fakes.carriers.pbx import Pbx
from tests.fakes.carriers.secured import Secured

REPLACES = re.compile(r"\?Replaces=([^>&]+)")
PAUSED = 10
"""Packets left out after which the next one has the marker (`rtp_common_write` of switch_rtp.c)."""


class BridgedRtp(Rtp):
    """The sound of one leg: one source for the whole call, whoever speaks on it.

    Its clock goes on while nothing is sent, and the first packet after a pause is marked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.playing = b""
        """The frame that is sent every 20 ms; empty: none."""
        self.to: tuple[str, int] | None = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received += 1

    async def play(self) -> None:
        """Send until the leg is closed."""
        loop, numbers, silent = asyncio.get_running_loop(), count(1), 0
        start = loop.time()
        for slot in count():
            await asyncio.sleep(max(0.0, start + slot * 0.02 - loop.time()))
            if self._transport.is_closing():
                return
            silent += 1
            if self.playing and self.to:
                marked, silent = silent > PAUSED, 0
                packet = rtp.build(0, marked, next(numbers) & 0xFFFF, slot * FRAME, 0xF5, self.playing)
                self._transport.sendto(packet, self.to)


class FreeSwitch(Pbx):
    """Challenges calls by 407, takes keys in RTP/SAVP only, and reports a blind transfer as done before it dials."""

    host = "127.0.9.42"
    confirms = False
    """Whether `confirm_blind_transfer` is set for the agent: a transfer is reported once the target was bridged."""

    def __init__(self) -> None:
        super().__init__("700", "700", "pbx-password", 407)
        self.busy: set[str] = set()
        """Extensions that answer 486."""
        self._invites: dict[str, tuple[str, Fields]] = {}
        self._versions = count(1_700_000_001)

    def on_invite(self, request: Request, addr: Any) -> None:
        if b"a=crypto" in request.body and self.transport == "UDP":
            self.faults.append("keys over UDP")
        if b"a=crypto" in request.body and b"RTP/AVP" in request.body:
            self.reply(request, addr, 488)
        elif request.uri.user in self.busy and not self.challenged(request, addr, 407):
            self.reply(request, addr, 486)
        else:
            super().on_invite(request, addr)

    def refused(self, refer: Request) -> tuple[int, str] | None:
        """A call that a Refer-To replaces has to be here; FreeSWITCH cannot tell whether the person answers."""
        found = REPLACES.search(refer.headers.get("refer-to") or "")
        if found is None:
            return None
        call_id, *tags = unquote(found[1]).split(";")
        call = self.calls.get(call_id)
        if call is None or sorted(tags) != [f"from-tag={call.theirs}", f"to-tag={call.ours}"]:
            return 481, "No such call"
        return None

    async def _report(self, call: Call) -> None:
        """`sofia_handle_sip_i_refer`; with `confirms` the message BLIND_TRANSFER_RESPONSE of mod_sofia.c.

        It writes the status of a failure twice, and then gives the caller back to the agent without any signalling.
        """
        status = "200 OK"
        if self.confirms and any(f"sip:{one}@" in self.transferred[-1] for one in self.busy):
            status = "486 486"
        fields = (("Event", "refer"), ("Subscription-State", "terminated;reason=noresource"))
        body = f"SIP/2.0 {status}\r\n".encode()
        await self.request(call, "NOTIFY", fields, body, "message/sipfrag;version=2.0")


class FreeSwitchOffice(FreeSwitch):
    """Its phones hold, wait in queues, and are parked."""

    host = "127.0.9.44"
    media = BridgedRtp

    def sdp(self, port: int, direction: str = "sendrecv", kinds: str = "0 8 101 13") -> bytes:
        """`switch_core_media_gen_local_sdp`: comfort noise is offered, and each description has its own version."""
        lines = (
            "v=0", f"o=FreeSWITCH 1700000000 {next(self._versions)} IN IP4 {self.host}", "s=FreeSWITCH",
            f"c=IN IP4 {self.host}", "t=0 0", f"m=audio {port} RTP/AVP {kinds}", "a=rtpmap:0 PCMU/8000",
            *(("a=rtpmap:8 PCMA/8000",) if "8" in kinds.split() else ()), "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-15", "a=rtpmap:13 CN/8000", "a=ptime:20", f"a={direction}",
        )  # fmt: skip
        return "\r\n".join((*lines, "")).encode()

    def _send(self, method: str, uri: str, lines: Fields, body: bytes) -> None:
        if method == "INVITE":
            self._invites[dict(lines)["Call-ID"]] = uri, lines
        super()._send(method, uri, lines, body)

    def agreed(self, rtp: Rtp, answer: bytes) -> None:
        assert isinstance(rtp, BridgedRtp)
        described = Sdp.parse(answer)
        connection = described.media[0].connection or described.connection
        assert connection is not None
        rtp.to = connection.address, described.media[0].port
        self._tasks.create_task(rtp.play())

    async def rings(self, caller: str) -> tuple[int, Call]:
        """A call as a queue or `bridge` makes it to the agent, with what mod_sofia adds to its INVITE."""
        fields = (
            ("User-Agent", "FreeSWITCH-mod_sofia/1.10.12-release+git~20240802T210227Z~a88d069d6f~64bit"),
            ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY"),
            ("Supported", "timer, path, replaces"),
            ("Allow-Events", "talk, hold, conference, refer"),
            ("X-FS-Support", "update_display,send_info"),
            ("Remote-Party-ID", f'"{caller}" <sip:{caller}@{self.host}>;party=calling;screen=yes;privacy=off'),
        )
        return await self.call(self.bound, self._addr, fields, caller)

    def cancel(self, call_id: str) -> None:
        """Another member of the queue was faster: LOSE_RACE in `sofia_on_hangup`."""
        uri, lines = self._invites[call_id]
        kept = [(name, value) for name, value in lines if name in ("Via", "From", "To", "Call-ID", "Max-Forwards")]
        reason = 'SIP;cause=200;text="Call completed elsewhere"'
        self._send("CANCEL", uri, (*kept, ("CSeq", "1 CANCEL"), ("Reason", reason)), b"")

    async def change(self, call: Call, direction: str) -> Response:
        """A re-INVITE with the codec that was agreed alone (`sofia_glue_do_invite`)."""
        body = self.sdp(call.rtp.port, direction, "0 101 13")
        answer = await self.request(
            call, "INVITE", (("X-FS-Support", "update_display,send_info"),), body, "application/sdp"
        )
        number = dict(self._invites[call.call_id][1])["CSeq"].split()[0]
        lines = (
            ("Via", f"SIP/2.0/UDP {self.place};branch=z9hG4bK{self.token()};rport"),
            *((name, value) for name, value in self._invites[call.call_id][1] if name in ("From", "To", "Call-ID")),
            ("CSeq", f"{number} ACK"),
            ("Max-Forwards", "70"),
        )
        super()._send("ACK", call.target, lines, b"")
        return answer

    async def display(self, call: Call, number: str) -> Response:
        """Somebody else is on the call: SWITCH_MESSAGE_INDICATE_DISPLAY, with `update_ignore_ua` set for the agent."""
        return await self.request(
            call, "UPDATE", (("P-Asserted-Identity", f'"{number}" <sip:{number}@{self.host}>'),)
        )  # fmt: skip


class SecureFreeSwitch(Secured, FreeSwitch):
    """Its profile for TLS, and ``rtp_secure_media=mandatory`` for its calls."""

    host = "127.0.9.43"
