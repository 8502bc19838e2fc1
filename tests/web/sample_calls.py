"""Calls with all that a page can show of them: one that goes on, a slow one, a silent one, one that was refused."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.records import ProviderFailed, Times, ToolRun, Turn, TurnDecided, TurnEnded
from media.process.channel import Quality
from media.recording.wav import header
from sipgw.events import CallAnswered, CallBegan, CallEnded, CallMeasured, CallReported, Disposition
from sipgw.records.artifacts.wav import read_ulaw
from sipgw.sip.dialog import Peer
from sipgw.sip.trace import Traced
from tests.web.gateway_view import FakeGatewayView

SPEECH = Path(__file__).parent.parent / "data" / "speech"
LIVE, SLOW, SILENT, REFUSED = "call-0", "slow@10.0.0.5", "silent@10.0.0.5", "refused@10.0.0.5"
CALLS = (LIVE, SLOW, SILENT, REFUSED)
CARRIER = Peer("udp", "198.51.100.20", 5060)
SDP = (
    "v=0\r\no=- 1 1 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\n"
    "m=audio 31000 RTP/AVP {codecs}\r\na=ptime:20\r\n"
)
SAID = [
    (
        "Where is my order seven three four six?",
        "Let me look. It is out for delivery and comes today.",
        0.38,
        2.1,
        0.31,
    ),
    ("Can I change the address?", "I am afraid it is on the van already.", 0.41, 1.9, 0.28),
    ("Then please call me when it is here.", "Certainly. Goodbye.", 0.35, 2.6, 0.3),
]
DECIDED = [
    (11.3, "answer", "ended: silence 420 ms, model 0.81"),
    (27.5, "pause", "paused: voice 0.93 for 180 ms, echo −31 dB"),
    (28.1, "resume", "resumed: no words"),
    (38.3, "answer", "ended: silence 420 ms, expected digits 6 of 10"),
]


AGREED = 3.3
"""Seconds of the call at which the caller agrees to be recorded."""


def yesterday() -> datetime:
    """Yesterday's noon: the ended calls begin then, in the evidence and in the records."""
    noon = datetime.now().astimezone().replace(hour=12, minute=0, second=0, microsecond=0)
    return (noon - timedelta(days=1)).astimezone(UTC)


class Played:
    """A call that was, told to the evidence with the times that it had."""

    def __init__(
        self, gateway: FakeGatewayView, call: str, seconds: float, name: str, began: datetime | None = None
    ) -> None:
        self.zero = asyncio.get_running_loop().time() - seconds
        self._evidence, self._call, self._caller = gateway.evidence, call, "+15550142"
        self.began = began = began or datetime.now(UTC) - timedelta(seconds=seconds)
        self._evidence.watch(
            CallBegan(
                call, began, "in", "telnyx", "agent", self._caller, "+15550199", {"name": name, "number": self._caller}
            )
        )
        self._timeline = self._evidence.timelines._live[call]
        self._timeline.zero = self.zero

    def tell(self, at: float, kind: Any, *values: Any) -> None:
        event = kind(self._call, datetime.now(UTC), *values)
        if kind is CallEnded:
            self._evidence.watch(event)
            self._timeline.length = at
        else:
            self._timeline.tell(event, self.zero + at)

    def sip(self, at: float, direction: Any, start: str, more: str = "") -> None:
        method = "BYE" if "BYE" in start or more == "BYE" else "INVITE"
        body = more if more.startswith("v=0") else ""
        kind = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n" if body else "Content-Length: 0\r\n"
        text = (
            f"{start}\r\nVia: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK7\r\n"
            f"From: <sip:{self._caller}@carrier>;tag=1\r\n"
            f"To: <sip:+15550199@sipgw>\r\nCall-ID: {self._call}\r\nCSeq: 1 {method}\r\n{kind}\r\n{body}"
        )
        self._evidence.trace(Traced(direction, CARRIER, text.encode(), self.zero + at))

    def answered(self, at: float) -> None:
        self.sip(0, "in", "INVITE sip:+15550199@192.0.2.9 SIP/2.0", SDP.format(codecs="0 8 101"))
        self.sip(0.01, "out", "SIP/2.0 100 Trying")
        self.sip(0.02, "out", "SIP/2.0 180 Ringing")
        self.sip(at, "out", "SIP/2.0 200 OK", SDP.format(codecs="0 101"))
        self.sip(at + 0.05, "in", "ACK sip:192.0.2.9 SIP/2.0")
        self.tell(at, CallAnswered)

    def turn(
        self, at: float, caller: str, said: str, waits: tuple[float, ...], tools: list[ToolRun] | None = None
    ) -> None:
        marks = [self.zero + at]
        for wait in waits:
            marks.append(marks[-1] + wait)
        times = Times(*marks) if caller else Times(first_packet=self.zero + at)
        turn = Turn(caller, said, said, tools=tools or [], times=times)
        self.tell(at + sum(waits), CallReported, TurnEnded(turn))

    def heard(self, until: float, mos: float = 4.4) -> None:
        for number in range(int(until // 5)):
            wave = number % 3 / 1000
            quality = Quality(mos and mos - 4 * wave, wave, 0.002 + wave, 0.02 + 4 * wave, 0.001, 0.06)
            self.tell(5.0 * (number + 1), CallMeasured, quality)

    def hung_up(self, at: float, file: str = "") -> None:
        self.sip(at, "in", "BYE sip:192.0.2.9 SIP/2.0")
        self.sip(at, "out", "SIP/2.0 200 OK", "BYE")
        agreed = (self.began + timedelta(seconds=AGREED)).isoformat()
        zero = self.began.timestamp()
        source = {"host": "2001:db8:85a3:1111:2222:8a2e:370:7334", "port": 40020, "reason": "foreign", "packets": 9}
        source |= {"first": zero + 21.3, "last": zero + 21.5, "announced": zero + 1.0, "left": zero + 21.2}
        media: dict[str, Any] = {"mos": 4.3, "refused_sources": [source], "refused_others": 3} | (
            {"recording": {"file": file, "began": agreed}} if file else {}
        )
        self.tell(at, CallEnded, Disposition("caller_hung_up", "caller: BYE"), media)


def play(gateway: FakeGatewayView, folder: Path, text: str = "", turns: int = 1) -> None:
    """All of them; with `text` in place of all that others say, and the turns so many times."""
    name = text or "Ann Example"
    live = Played(gateway, LIVE, 42, name)
    live.answered(1.1)
    live.turn(1.6, "", "Harbour Books, good morning. How can I help?", ())
    live.turn(9.0, text or "Do you have the new atlas?", "Yes, two copies.", (0.3, 0.4, 0.1, 0.2, 0.02))
    live.heard(40)

    slow = Played(gateway, SLOW, 61, name, yesterday())
    slow.answered(1.3)
    slow.turn(1.7, "", "Harbour Books, good morning. How can I help?", ())
    for round_ in range(turns):
        for number, (caller, said, hearing, thinking, voicing) in enumerate(SAID):
            run = [
                ToolRun(
                    "get_order_status", {"order_number": text or "7346"}, {"status": text or "on the van"}, seconds=0.4
                )
            ]
            slow.turn(
                8.0 + 15 * number + 45 * round_, text or caller, text or said, (hearing, thinking, 0.2, voicing, 0.02),
                [] if number else run,
            )  # fmt: skip
    for at, decision, evidence in DECIDED:
        slow.tell(at, CallReported, TurnDecided(decision, text or evidence))
    slow.tell(44.0, CallReported, ProviderFailed("tts", text or "ElevenLabs: no sound for 2.5 s"))
    slow.heard(59 * turns)
    file = folder / "slow.wav"
    left, right = read_ulaw(SPEECH / "jfk.wav"), read_ulaw(SPEECH / "something.wav")
    sound = bytearray(b"\xff" * 2 * 8000 * 60)
    for at, channel, part in ((3, 1, right), (8, 0, left), (24, 1, right), (30, 0, left), (48, 1, right)):
        part = part[: 8000 * 8]
        sound[16_000 * at + channel : 16_000 * at + channel + 2 * len(part) : 2] = part
    file.write_bytes(header(len(sound)) + bytes(sound))
    slow.hung_up(61 if turns == 1 else 45.0 * turns, str(file))

    silent = Played(gateway, SILENT, 33, name, yesterday())
    silent.answered(1.2)
    silent.turn(1.6, "", "Harbour Books, good morning. How can I help?", ())
    silent.heard(31, mos=0.0)
    silent.sip(32, "out", "BYE sip:198.51.100.20 SIP/2.0")
    silent.tell(32, CallEnded, Disposition("line_lost", "no sound arrived for 30 s"), {"mos": 0.0})

    refused = Played(gateway, REFUSED, 1, name, yesterday())
    refused.sip(0, "in", "INVITE sip:+15550199@192.0.2.9 SIP/2.0", SDP.format(codecs="18"))
    refused.sip(0.01, "out", "SIP/2.0 100 Trying")
    refused.sip(0.03, "out", "SIP/2.0 488 Not Acceptable Here")
    refused.tell(
        0.03, CallEnded, Disposition("refused", text or "the other side offers only G729; PCMU or PCMA is needed"), {}
    )
