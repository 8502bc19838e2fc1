"""Stands in for the C module where that was not built or is not wanted: the state, and a path that takes no packets.

Each class has slots for the class of the same name that inherits from it, which documents them.
"""

import select
from collections import deque
from collections.abc import Sequence
from typing import Any

KEPT = 50
"""Levels of slots (1 s) that are kept while no sound is handed up."""
SPARE = 1
"""Levels that may wait for sound which arrives unevenly."""
SILENT = 127
"""The level of silence, and of a slot in which nothing was sent."""


class Source:
    """See `media.rtp.source`."""

    __slots__ = ("_at", "_last", "_settled", "address")


class ReceiverStats:
    """See `media.rtp.receiver_stats`."""

    __slots__ = ("_highest", "_transit", "jitter", "packets")


class JitterStats:
    """See `media.jitter.buffer`."""

    __slots__ = ("longest_stall", "received")


class GapFiller:
    """See `media.jitter.gap_filler`."""

    __slots__ = ("_inserted", "_spread", "_usual", "in_step", "last", "sound_at")


class JitterBuffer:
    """See `media.jitter.buffer`."""

    __slots__ = ("_ahead", "_begins_with", "_filler", "_heard_at", "_sequence", "_sound_at", "_timestamp", "_waiting",
                 "stats")  # fmt: skip


class PlayoutJitterStats:
    """See `media.jitter.playout_buffer`."""

    __slots__ = ("played",)


class StreamPositions:
    """See `media.jitter.playout_buffer`."""

    __slots__ = ("_arrived", "_length", "_position", "_sequence", "_timestamp")


class Delays:
    """See `media.jitter.playout_buffer`."""

    __slots__ = ("_earlier", "_late", "_packets", "_recent", "_seen", "_turned", "_weight", "_weights", "fastest",
                 "target")  # fmt: skip


class Concealment:
    """See `media.jitter.plc`."""

    __slots__ = ("_past", "_repeated")


class PlayoutJitterBuffer:
    """See `media.jitter.playout_buffer`."""

    __slots__ = ("_at", "_blocks", "_bridged", "_concealment", "_delays", "_level", "_stream", "stats")

    def take_whole(self, now: float) -> bytes | None:
        """The next frame if all of it has come and is due, without the slow steps of `take`; otherwise None."""
        del now
        return None


class Mixer:
    """See `media.session.mixer`."""

    __slots__ = ()


class Inbound:
    """See `media.session.inbound`."""

    __slots__ = ("_fresh", "_next", "_ssrc", "heard_at", "jitter", "listener", "received", "source", "tones")


class RtpSender:
    """See `media.rtp.sender`."""

    __slots__ = ("_first", "_sequence", "_timestamp", "slot", "ssrc")


class Playout:
    """See `media.session.playout`."""

    __slots__ = ("_edge", "_finished", "_offset", "_queue", "_samples", "_sounding", "_told", "_utterance", "paused")


class DigitSender:
    """See `media.dtmf.sender`."""

    __slots__ = ("active",)


class Backdrop:
    """See `media.session.ambience`."""

    __slots__ = ("_thinking", "ambience")


class SentLevels:
    """See `media.session.sent_levels`."""

    __slots__ = ("_levels", "backdrop")

    def __init__(self) -> None:
        self._levels: deque[int] = deque(maxlen=KEPT)

    def push(self, level: int) -> None:
        """Take the level of the slot that is sent now."""
        self._levels.append(level)

    def take(self, frames: int) -> bytes:
        """The levels of the slots in which the last `frames` received frames came, oldest first."""
        levels = bytes(self._levels)
        spare = levels[frames:][-SPARE:]
        self._levels.clear()
        self._levels.extend(spare)
        return levels[: len(levels) - len(spare)][-frames:].rjust(frames, bytes((SILENT,)))


class Block:
    """See `media.recording.tap`."""

    __slots__ = ("addresses", "data", "length")


class Tap:
    """See `media.recording.tap`."""

    __slots__ = ("_block", "_full_at", "_headers", "_until", "clear", "muted")


class Agreed:
    """See `media.session.session`."""

    __slots__ = ("received_code", "sent_code")


class SrtpContext:
    """See `media.rtp.srtp`."""

    __slots__ = ("context", "function")


class SrtpStream:
    """See `media.rtp.srtp`."""

    __slots__ = ("last", "ssrc")


class SrtpStreams:
    """See `media.rtp.srtp`."""

    __slots__ = ("_overhead", "context", "heard")


class Srtp:
    """See `media.rtp.srtp`."""

    __slots__ = ("_sender", "sound")


class RtpSession:
    """See `media.session.session`."""

    __slots__ = ("_agreed", "_sender", "_srtp", "digits", "inbound", "live", "playout", "recording", "relay",
                 "sent_levels")  # fmt: skip


class Channel:
    """See `media.process.worker_channel`."""

    __slots__ = ("alert", "chunk", "chunk_size", "heard", "number", "session", "tap", "watch_at")


class FastPath:
    """The packets of all calls in one process; all of them are left to Python."""

    def __init__(self, epoll: select.epoll, out: bytearray | None = None, silence: bytes = b"",
                 levels: tuple[bytes, ...] = (), tables: tuple[bytes, ...] = ()) -> None:  # fmt: skip
        """`epoll` tells of packets and orders that have arrived; the path in C needs the rest, too.

        `out` takes messages for the gateway; `levels`: mu-law as 16-bit linear samples, and -dBm0 by root mean square;
        `tables`: mu-law to A-law, and back.
        """
        del out, silence, levels, tables
        self.epoll = epoll

    def add(self, fd: int, channel: Any, dual: bool) -> None:
        """Take the packets of this descriptor for a call; `dual`: an IPv6 socket that gets those of IPv4, too."""

    def remove(self, fd: int) -> None:
        """Take no more packets of this descriptor."""

    def receive(self, now: float, behind: bool) -> list[tuple[int, bytes | None, tuple[str, int] | None]] | None:
        """Read what has come; None if nothing has come. Returns what is left to Python: a descriptor with the packet
        that came on it and its sender, or with None twice if it was not read. `behind`: see `WorkerChannel.gather`."""
        del now, behind
        ready = self.epoll.poll(0)
        return [(fd, None, None) for fd, _ in ready] if ready else None

    def send(self, channels: list[Any], slot: int, now: float) -> Sequence[tuple[Any, Sequence[Any] | None]]:
        """Send the packets of a slot. Returns what is left to Python: a channel with None if nothing was done for it,
        or with the marks of the frame that was sent."""
        del slot, now
        return [(channel, None) for channel in channels]
