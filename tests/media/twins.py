# mypy: disable-error-code="assignment"
"""Two media processes in this one, with the same calls and the same packets: one with the path in C, one without.

Sockets are real, the clock and chance are not. After each step both have done exactly the same.
"""

import random
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

import pylibsrtp

from media.fast import base, fallback
from media.g711 import FRAME, FRAME_SECONDS, SILENCE
from media.process import worker, worker_channel
from media.process.schedule import PHASES
from media.process.wire import CONFER, NUMBER, Kind, Message, Reader, pack_json
from media.process.worker import Worker
from media.rtp import packet as rtp
from media.rtp.srtp import Keys, Srtp

CALLS = 2
TAP = {"keep": "recent", "seconds": 60.0, "limit": 1 << 20, "clear": False}
STEPS = ("packet", "slot", "say", "order", "wait", "mangled", "connect")
"""What can happen; a number says which of its kind."""
WEIGHTS = (40, 40, 5, 2, 2, 4, 1)
HOT = {
    "session._agreed": ("sent_code", "received_code"),
    "session._sender": ("slot", "ssrc", "_sequence", "_timestamp", "_first"),
    "session.playout": ("_utterance", "_samples", "_offset", "_finished", "_told", "paused", "_sounding", "_edge"),
    "session.inbound": ("_next", "_ssrc", "heard_at", "_fresh"),
    "session.inbound.source": ("address", "_at", "_last", "_settled", "state"),
    "session.inbound.received": ("_transit", "jitter", "_highest", "packets"),
    "session.inbound.jitter": ("_waiting", "_begins_with", "_sequence", "_timestamp", "_heard_at", "_sound_at",
                               "_ahead"),
    "session.inbound.jitter._filler": ("sound_at", "_spread", "_usual", "_inserted", "in_step", "last", "state",
                                       "surplus"),
}  # fmt: skip
"""What C reads and writes, by the way from the channel to it."""
BRIDGED = {
    "": ("_at", "_bridged", "_level", "_blocks"),
    "stats": ("played", "concealed", "late", "added", "dropped", "overflowed", "clock_jumps"),
    "_stream": ("_sequence", "_timestamp", "_position", "_length", "_arrived", "jumps"),
    "_delays": ("fastest", "target", "_recent", "_earlier", "_turned", "_seen", "_weights", "_weight", "_packets",
                "_late"),
    "_concealment": ("_past", "_repeated"),
}  # fmt: skip
"""The same for the buffer of a bridge, by the way from it."""
PACKETS = [
    (0, 0, 0, 0, 0, 0x80),  # sender, packets left out, samples left out, stream, type, first byte
    (0, 1, 1, 0, 0, 0x80),
    (0, -2, -2, 0, 0, 0x80),
    (0, 0, 40, 0, 0, 0x80),
    (0, 5, 5, 0, 0, 0x80),
    (0, 4000, 0, 0, 0, 0x80),
    (0, 0, 0, 1, 0, 0x80),
    (0, 1, 0, 1, 0, 0x80),
    (1, 0, 0, 0, 0, 0x80),
    (2, 0, 0, 0, 0, 0x80),
    (2, 0, 0, 1, 0, 0x80),
    (0, 0, 0, 0, 101, 0x80),
    (0, 0, 0, 0, 13, 0x80),
    (0, 0, 0, 0, 8, 0x80),
    (0, 0, 0, 0, 77, 0x80),
    (0, 0, 0, 0, 0x80, 0x80),  # with the marker
    (0, 0, 0, 0, 0, 0xA0),  # padding
    (0, 0, 0, 0, 0, 0x90),  # an extension
    (0, 0, 0, 0, 0, 0x02),  # STUN
]
LENGTHS = (160, 160, 160, 160, 80, 240, 480, 481, 1, 0, 1488, 1600)
ROUTES = (47 | 16, 13 | 16 | 128, 8 | 32, 6 | 16 | 64, 255)
"""Who hears whom in a conference: see `media.session.routing.Route`."""
WAITS = (0.0, 0.005, 0.02, 0.04, 0.07, 0.3, 1.2)
ORDERS: list[tuple[Kind, bytes]] = [
    (Kind.CHUNK, b"\x01\0"),
    (Kind.CHUNK, b"\x02\0"),
    (Kind.CHUNK, b"\x05\0"),
    (Kind.CHUNK, b"\x05\x27"),
    (Kind.CHUNK, b"\x0f\x20"),
    (Kind.PAUSE, b""),
    (Kind.RESUME, b""),
    (Kind.STOP, b""),
    (Kind.DIGITS, pack_json(["5", 0.1, 0.1])),
    (Kind.AMBIENCE, b"\x70" * 1600),
    (Kind.AMBIENCE, b""),
    (Kind.THINK, b"\x01"),
    (Kind.RECORD, pack_json({"do": "pause"})),
    (Kind.RECORD, pack_json({"do": "resume"})),
    (Kind.BRIDGE, NUMBER.pack(2)),
    (Kind.MUSIC, b""),
    (Kind.MUSIC, b"\x60" * 800),
    (Kind.MUSIC, b""),
    (Kind.LISTEN, b"\x01"),
    (Kind.LISTEN, b""),
    *((Kind.CONFER, CONFER.pack(2, routes) + music) for routes in ROUTES for music in (b"", b"\x60" * 800)),
]
FORMATS = [
    {"encoding": "PCMU", "payload_type": 0, "dtmf_payload_type": 101},
    {"encoding": "PCMU", "payload_type": 0, "dtmf_payload_type": 101},
    {"encoding": "PCMA", "payload_type": 8, "dtmf_payload_type": 101},
    {"encoding": "PCMU", "payload_type": 0, "inband_keys": True},
]
KEYS = [
    None,
    Keys("AES_CM_128_HMAC_SHA1_80", b"\1" * 30, b"\2" * 30),
    Keys("AES_CM_128_HMAC_SHA1_32", b"\1" * 30, b"\2" * 30),
    Keys("AEAD_AES_128_GCM", b"\3" * 28, b"\4" * 28),
    Keys("AES_CM_128_HMAC_SHA1_80", b"\5" * 30, b"\2" * 30),
    Keys("AEAD_AES_256_GCM", b"\3" * 44, b"\4" * 44),
    Keys("AES_CM_128_HMAC_SHA1_80", b"\5" * 30, b"\6" * 30, b"\0\0\0\7"),
]


class Phone:
    """The other side of a call, which encrypts if that was agreed."""

    def __init__(self) -> None:
        self._keys: Keys | None = None
        self._srtp: Srtp | None = None
        self._sent = b""

    def agree(self, keys: Keys | None) -> None:
        """New keys count from 0; the same ones go on."""
        if keys != self._keys:
            self._keys = keys
            self._srtp = Srtp(Keys(keys.suite, keys.theirs, keys.ours)) if keys else None

    def protected(self, data: bytes) -> bytes:
        """A packet as it is sent. One that cannot be encrypted is the last one again, if there is one."""
        if self._srtp is None:
            return data
        try:
            self._sent = self._srtp.protect(data)
        except (pylibsrtp.Error, ValueError):
            return self._sent or data
        return self._sent


def _socket(host: str) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # else what one side sends is lost behind the other's
    one.bind((host, 0))
    one.setblocking(False)
    return one


class Side:
    """One of the two media processes."""

    def __init__(self, path: Any, host: str, twins: "Twins") -> None:
        self._pipe, theirs = socket.socketpair()
        self._theirs = theirs
        self.worker = Worker(theirs)
        self.worker._recorder = Mock(ended=list)
        self.left = 0
        """Packets that came on the sockets of sound and were left to Python."""
        receive = self.worker._receive
        self.worker._receive = lambda *all_: (setattr(self, "left", self.left + 1), receive(*all_))  # type: ignore[func-returns-value, method-assign]
        if path is not base.FastPath:
            self.worker._path = path(self.worker._path.epoll, self.worker._out, SILENCE, (b"", b""), (b"", b""))
        for number in range(1, CALLS + 1):
            kept = TAP | {"clear": number == CALLS}
            self.do(
                Kind.OPEN, number, pack_json({"host": host, "first": 20_000, "last": 60_000, "dscp": 0, "tap": kept})
            )
        self.worker._out.clear()
        for phase in self.worker._phases:
            phase.clear()
        self.worker._phases[0] += self.worker._channels.values()
        self.ports = [channel.ports.rtp.getsockname()[1] for channel in self.worker._channels.values()]
        self.twins = twins

    def do(self, kind: Kind, number: int, body: bytes) -> None:
        self.worker._bounded(number, self.worker._carry_out, Message(kind, number, body))

    def state(self) -> dict[str, Any]:
        """Everything that must be the same, by its name."""
        told = list(Reader().feed(bytes(self.worker._out)))
        found: dict[str, Any] = {
            f"{number}.told": [one for one in told if one.channel == number] for number in range(9)
        }
        for number, channel in self.worker._channels.items():
            for way, names in HOT.items():
                one: Any = channel
                for part in way.split("."):
                    one = getattr(one, part)
                for name in names:
                    value = getattr(one, name)
                    found[f"{number}.{way}.{name}"] = str(value) if isinstance(value, float) else value  # nan
            for way, names in BRIDGED.items() if channel.session.inbound.listener else ():
                part = getattr(channel.session.inbound.listener, way) if way else channel.session.inbound.listener
                found |= {f"{number}.listener.{way}.{name}": str(getattr(part, name, None)) for name in names}
            if mixer := channel.session.mixer:
                found[f"{number}.mixer"] = list(mixer._agent), bytes(mixer._for_agent)
            found[f"{number}.chunk"] = channel.chunk
            if srtp := channel.session._srtp:
                found[f"{number}.heard"] = srtp.sound.heard.ssrc, srtp.sound.heard.last
            found[f"{number}.stats"] = str(channel.session.stats())
            if channel.tap:
                found[f"{number}.tap"] = [block.packed() for block in channel.tap.blocks]
        self.worker._out.clear()
        return found

    def close(self) -> None:
        for channel in tuple(self.worker._channels.values()):
            self.worker._release(channel)
        self.worker._ports.sweep(float("inf"))
        self.worker._path.epoll.close()
        self._pipe.close()
        self._theirs.close()


class Twins:
    """Both, the other side of their calls, and the time."""

    def __init__(self, path: Any = base.FastPath, host: str = "127.0.0.1", begin: int = 0) -> None:
        """`begin`: which of `KEYS` both calls begin with."""
        self.now = 1000.0
        self.slot = 0
        self._open = ExitStack()
        clock = SimpleNamespace(monotonic=lambda: self.now, clock_gettime=lambda _: self.now + 1e9, CLOCK_REALTIME=0)
        for module in (worker, worker_channel):
            self._open.enter_context(patch.object(module, "time", clock))
        self._open.enter_context(patch.object(worker, "waited", lambda _: 0.0))
        chance = SimpleNamespace(SystemRandom=lambda: random.Random(5))
        self._open.enter_context(patch.object(worker_channel, "random", chance))
        second = "127.0.0.2" if host != "::1" else host
        from_host = "127.0.0.1" if host == "::" else host
        self.remotes = [_socket(from_host), _socket(from_host), _socket(second)]
        self.control = _socket(from_host)
        """Where reports go: the port after that of the sound may be a port of sound of the other process."""
        self.host = from_host
        self.sides = [Side(path, host, self), Side(fallback.FastPath, host, self)]
        self.streams = [[10 + number, 65_500, (1 << 32) - 2000] for number in range(CALLS)]
        """SSRC, next sequence number and next timestamp of each call."""
        self.phones = [Phone() for _ in range(CALLS)]
        self.utterance = 1
        self.packets = 0
        self.length = FRAME
        """Samples of a packet that follows the one before."""
        for number in range(1, CALLS + 1):
            self.connect(number, begin * len(FORMATS))

    def bridge(self) -> None:
        """Let the two calls hear each other."""
        for side in self.sides:
            side.do(Kind.BRIDGE, 1, NUMBER.pack(2))

    def confer(self, routes: int) -> None:
        """Let the first call be that of the caller in a conference, and the second that of the third."""
        for side in self.sides:
            side.do(Kind.CONFER, 1, CONFER.pack(2, routes))
            side.do(Kind.RECORD, 1, pack_json({"do": "resume"}))  # sound may be kept, so others may hear it

    def connect(self, number: int, which: int) -> None:
        keys = KEYS[which // len(FORMATS) % len(KEYS)]
        self.phones[number - 1].agree(keys)
        order = {"format": FORMATS[which % len(FORMATS)], "host": self.host, "port": self.remotes[0].getsockname()[1],
                 "control": self.control.getsockname()[:2],
                 "keys": keys.encode() if keys else None,
                 "send": which % 17 != 5, "receive": which % 13 != 5}  # fmt: skip
        for side in self.sides:
            side.do(Kind.CONNECT, number, pack_json(order))

    def step(self, kind: str, which: int) -> None:
        """Let something happen to both."""
        call, which = which % CALLS, which // CALLS
        match kind:
            case "packet":
                self.packet(call, *(PACKETS[0] if which % 3 else PACKETS[which // 3 % len(PACKETS)]))
            case "mangled":
                mangled = random.Random(which)
                self.send(call, which % 3, mangled.randbytes(mangled.choice((0, 1, 3, 11, 12, 13, 40, 172))))
                stream = self.streams[call]
                clear = rtp.build(0, False, stream[1], stream[2], stream[0], SILENCE)
                data = bytearray(self.phones[call].protected(clear))
                data[mangled.choice((mangled.randrange(13), -1))] ^= 1 << mangled.randrange(8)
                self.send(call, 0, bytes(data))
            case "slot":
                self.slot += which // 40 % 3 if which % 40 == 39 else 1
                self.now += FRAME_SECONDS
                self.transmit()
            case "say":
                self.say(call + 1, which)
            case "order":
                order = ORDERS[which % len(ORDERS)]
                for side in self.sides:
                    side.do(order[0], call + 1, order[1])
            case "wait":
                self.now += WAITS[which % len(WAITS)]
            case "connect":
                self.connect(call + 1, which)

    def in_order(self, slots: int, calls: int = 2, says: Sequence[int] = ()) -> None:
        """Let the first of the calls send a packet in each slot, and their agents say so much once a second."""
        for slot in range(slots):
            for number, which in enumerate(says if slot % 50 == 0 else (), start=1):
                self.say(number, which)
            for call in range(calls):
                self.packet(call, 0, 0, 0, 0, 0, 0x80)
            for _ in range(self.length // FRAME):
                self.step("slot", 2)
            self.judge()

    def say(self, number: int, which: int) -> None:
        body = NUMBER.pack(self.utterance) + bytes((which + at) % 256 for at in range(which % 2000))
        ended = which % 5 == 0
        for side in self.sides:
            side.do(Kind.SAY, number, body)
            if ended:
                side.do(Kind.FINISH, number, NUMBER.pack(self.utterance))
        self.utterance += ended

    def packet(self, call: int, sender: int, lost: int, gap: int, other: int, kind: int, first: int) -> None:
        stream = self.streams[call]
        length = LENGTHS[(stream[1] + call) % len(LENGTHS)] if gap else self.length
        quiet = stream[1] // 8 % 2  # then silence that was inserted is taken back
        payload = bytes(0xFF if quiet else (stream[1] * 7 + at) & 0xFF for at in range(length))
        if not quiet and stream[1] % 3 == 0:  # 20 ms of it are near the level above which sound is brought at once
            loud = stream[1] // 3 % max(1, length // FRAME)
            near = (0x45 + stream[1] % 42, 0xC5 + stream[1] % 42)
            payload = bytes(near[at & 1] if at // FRAME == loud else 0xFF for at in range(length))
        sequence, timestamp = stream[1] + lost, stream[2] + gap * FRAME
        data = bytearray(rtp.build(kind & 0x7F, kind > 0x7F, sequence, timestamp, stream[0] + other, payload))
        data[0] = first
        self.send(call, sender, self.phones[call].protected(bytes(data)))
        if lost >= 0 and not other and not sender:
            stream[1], stream[2] = sequence + 1 & 0xFFFF, timestamp + length & 0xFFFF_FFFF

    def send(self, call: int, sender: int, data: bytes) -> None:
        self.packets += 1
        for side in self.sides:
            self.remotes[sender].sendto(data, (self.host, side.ports[call]))

    def transmit(self) -> None:
        for side in self.sides:
            for phase in range(PHASES if self.slot % 50 == 0 else 1):
                side.worker._transmit(phase, self.slot)

    def judge(self) -> None:
        """Read what arrived; both must be the same now."""
        for side in self.sides:
            assert side.worker._take_input()
        one, other = (side.state() for side in self.sides)
        differs = {name: (value, other.get(name)) for name, value in one.items() if value != other.get(name)}
        assert differs == {}, differs
        assert one.keys() == other.keys()
        for remote in (*self.remotes, self.control):
            got: dict[int, list[bytes]] = {}
            with suppress(BlockingIOError):
                while True:
                    data, (_, port, *_) = remote.recvfrom(2000)
                    got.setdefault(port, []).append(data)
            ours, reference = (
                [got.get(at, []) for port in side.ports for at in (port, port + 1)] for side in self.sides
            )
            assert ours == reference

    def close(self) -> None:
        for side in self.sides:
            side.close()
        for remote in (*self.remotes, self.control):
            remote.close()
        self._open.close()
