"""The packets of calls as they were on the wire, kept in memory within a limit of bytes, for a capture file. Sans-IO.

A tap writes packets into blocks, each of which can be read without the others; all blocks of all calls share one
`Pool`. Where it is full, the oldest block of the call that ended first goes, then the oldest of all. Keys of SRTP are
never here: its packets are kept as they were sent, encrypted, unless calls are to be played again.
"""

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

BLOCK = 16 * 1024
"""Bytes after which a block is full."""
SLACK = 2048
"""Bytes for the record that fills it, which is begun if there is room for its first byte."""
HEADER = 12
"""Bytes of a packet that are kept of each where the sound is not: the header of RTP."""
NOMINAL = 40_000
"""Bytes per second that a call may keep: twice what G.711 needs in both directions."""
MAX_ADDRESSES = 255
OVERHEAD = 1024
"""Bytes that a block takes besides its data, so that many short calls count too."""
_RECORD = struct.Struct("<dBBHH")
_OUT, _CONTROL, _ADDRESS = 1, 2, 128

Keep = Literal["off", "headers", "recent", "always"]


@dataclass(frozen=True)
class TapOptions:
    """What is kept of RTP."""

    keep: Keep = "recent"
    """`off`; `headers`: of the whole call without its sound; `recent`: the last seconds; `always`: the whole call."""
    seconds: float = 60.0
    """Seconds of a call that `recent` keeps."""
    limit: int = 64 << 20
    """Bytes that all calls together may take, those that have ended included."""
    clear: bool = False
    """Whether what came by SRTP is kept as it was before it was encrypted, so that it can be played again."""


class Tapped(NamedTuple):
    """One packet as it was on the wire."""

    at: float
    """Monotonic seconds of the machine."""
    out: bool
    control: bool
    """Whether it went over the port of RTCP."""
    remote: tuple[str, int]
    data: bytes
    """What was kept of it: all, or its header."""
    size: int
    """Bytes of all of it."""


class Block:
    """Packets one after the other, with the addresses that they name.

    They are written in place: what would be kept packet by packet would have to be joined and freed at once when the
    block is full, of hundreds of calls in the same moment.
    """

    __slots__ = ("addresses", "data", "length", "number", "since")

    def __init__(self, number: int, since: float) -> None:
        self.number = number
        self.since = since
        self.data = bytearray(BLOCK + SLACK)
        self.length = 0
        """Bytes of `data` that are written."""
        self.addresses: dict[tuple[str, int], int] = {}

    def add(self, when: float, flags: int, number: int, size: int, kept: bytes) -> None:
        """Append a record of `size` bytes of which those `kept` follow it."""
        start = self.length + _RECORD.size
        _RECORD.pack_into(self.data, self.length, when, flags, number, size, len(kept))
        self.length = end = start + len(kept)
        self.data[start:end] = kept

    def close(self) -> None:
        """Nothing is added any more."""
        del self.data[self.length :]

    def packed(self) -> bytes:
        """All that was written."""
        return bytes(self.data[: self.length])

    @property
    def size(self) -> int:
        """Bytes that it takes, roughly."""
        return self.length + OVERHEAD


class Tap:
    """The packets of one call."""

    __slots__ = ("_block", "_count", "_headers", "_options", "_pool", "_until", "blocks", "clear", "muted", "number")

    def __init__(self, pool: "Pool", number: int, options: TapOptions) -> None:
        self.number = number
        self.muted = False
        """Whether sound and keys are left out for now: what must not be recorded must not be captured."""
        self.blocks: deque[Block] = deque()
        self._pool = pool
        self.clear = options.clear
        """Whether SRTP is kept without its encryption."""
        self._options = options
        self._headers = options.keep == "headers"
        self._count = 0
        self._block: Block | None = None
        self._until = 0.0

    def take(self, now: float, data: bytes, remote: tuple[str, int], *, out: bool, control: bool = False) -> None:
        """Keep a packet that was sent to `remote` or came from there."""
        block = self._block
        if block is None or block.length >= BLOCK or now >= self._until:
            block = self._begin(now)
        number = block.addresses.get(remote)
        if number is None:
            number = len(block.addresses)
            if number < MAX_ADDRESSES:  # beyond that it is a flood, and who sent each packet matters no more
                block.addresses[remote] = number
                name = f"{remote[0]} {remote[1]}".encode()
                block.add(0.0, _ADDRESS, number, len(name), name)
        kept = data if control or not (self.muted or self._headers) else data[:HEADER]
        block.add(now, out | control << 1, number, len(data), kept)

    def after(self, number: int) -> Block | None:
        """The first block whose number is above `number`."""
        return next((block for block in self.blocks if block.number > number), None)

    def end(self) -> None:
        """The call is over: its blocks are the first to go."""
        self._full()
        self._pool.end(self)

    def _full(self) -> None:
        if self._block is not None:
            self._pool.add(self, self._block)
            self._block = None

    def _begin(self, now: float) -> Block:
        self._full()
        self._count += 1
        seconds = self._options.seconds
        if self._options.keep == "recent":
            most = max(2.0, seconds * NOMINAL / BLOCK)
            while self.blocks and (self.blocks[0].since < now - 1.25 * seconds or len(self.blocks) >= most):
                self._pool.drop(self, self.blocks[0])
        self._until = now + seconds / 4
        self._block = Block(self._count, now)
        self.blocks.append(self._block)
        return self._block


class Pool:
    """The blocks of all calls, within a limit."""

    def __init__(self, limit: int = TapOptions.limit) -> None:
        self.limit = limit
        self.size = 0
        """Bytes of all complete blocks."""
        self.taps: dict[int, Tap] = {}
        """Of all calls of which there is something, by their number."""
        self._live: dict[Block, Tap] = {}
        self._ended: dict[Block, Tap] = {}

    def open(self, number: int, options: TapOptions) -> Tap | None:
        """A tap for the call with that number; None if nothing is to be kept."""
        self.limit = options.limit
        if options.keep == "off":
            return None
        tap = self.taps[number] = Tap(self, number, options)
        return tap

    def add(self, tap: Tap, block: Block) -> None:
        """Count a block that is complete, and make room for it."""
        block.close()
        self.size += block.size
        self._live[block] = tap
        while self.size > self.limit and (held := self._ended or self._live):
            oldest, owner = next(iter(held.items()))
            self.drop(owner, oldest)

    def end(self, tap: Tap) -> None:
        """The call of `tap` is over."""
        for block in tap.blocks:
            if self._live.pop(block, None):
                self._ended[block] = tap
        if not tap.blocks:
            self.taps.pop(tap.number, None)

    def drop(self, tap: Tap, block: Block) -> None:
        """Forget a complete block."""
        tap.blocks.remove(block)
        self.size -= block.size
        if self._live.pop(block, None) is None:
            del self._ended[block]
            if not tap.blocks:
                del self.taps[tap.number]


def packed(packets: Iterable[Tapped]) -> bytes:
    """What `read` makes `packets` of."""
    addresses: dict[tuple[str, int], int] = {}
    data = bytearray()
    for packet in packets:
        number = addresses.get(packet.remote)
        if number is None:
            number = addresses[packet.remote] = min(len(addresses), MAX_ADDRESSES)
            name = f"{packet.remote[0]} {packet.remote[1]}".encode()
            data += _RECORD.pack(0.0, _ADDRESS, number, len(name), len(name)) + name
        flags = packet.out | packet.control << 1
        data += _RECORD.pack(packet.at, flags, number, packet.size, len(packet.data)) + packet.data
    return bytes(data)


def read(block: bytes) -> Iterator[Tapped]:
    """The packets of a block."""
    addresses: dict[int, tuple[str, int]] = {}
    at = 0
    while at + _RECORD.size <= len(block):
        when, flags, number, size, kept = _RECORD.unpack_from(block, at)
        at += _RECORD.size
        data = block[at : at + kept]
        at += kept
        if flags & _ADDRESS:
            host, _, port = data.decode().rpartition(" ")
            addresses[number] = host, int(port)
        else:
            yield Tapped(when, bool(flags & _OUT), bool(flags & _CONTROL), addresses.get(number, ("", 0)), data, size)
