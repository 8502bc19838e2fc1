"""The packets of calls, as they were on the network, kept in memory for capture files, up to a limit of bytes. Sans-IO.

A tap writes packets into blocks, each of which can be read without the others; the blocks of all calls share one
`BlockPool`. When it is full, blocks of ended calls are dropped first, from the call that ended first; then the oldest
of all. Keys of SRTP are not kept, and its packets are kept encrypted, unless calls are kept for replay.
"""

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from media.fast import base

BLOCK = 16 * 1024
"""Bytes above which a block is full."""
SLACK = 2048
"""Bytes for the last record of a block, which is added if the block is not full before it."""
HEADER = 12
"""Bytes that are kept of each packet whose sound is not kept: the RTP header."""
NOMINAL = 40_000
"""Bytes per second that a call may keep: twice what G.711 needs in both directions."""
MAX_ADDRESSES = 255
OVERHEAD = 1024
"""Bytes that a block takes besides its data, so that many short calls are counted too."""
_RECORD = struct.Struct("<dBBHH")
_OUT, _CONTROL, _ADDRESS = 1, 2, 128

Keep = Literal["off", "headers", "recent", "always"]


@dataclass(frozen=True)
class TapOptions:
    """Which RTP packets are kept."""

    keep: Keep = "recent"
    """`off`; `headers`: the whole call without its sound; `recent`: the last seconds; `always`: the whole call."""
    seconds: float = 60.0
    """Seconds of a call that `recent` keeps."""
    limit: int = 64 << 20
    """Bytes that all calls together may take, including calls that have ended."""
    clear: bool = False
    """Whether packets received by SRTP are kept decrypted, for replay."""


class Tapped(NamedTuple):
    """One packet as it was on the network."""

    at: float
    """Monotonic seconds of the machine."""
    out: bool
    control: bool
    """Whether it went over the RTCP port."""
    remote: tuple[str, int]
    data: bytes
    """The kept part: the whole packet, or its header."""
    size: int
    """Bytes of the whole packet, the dropped part included."""


class Block(base.Block):
    """A block of packets, one after the other, with their addresses.

    Packets are written into one buffer. As objects they would have to be joined and freed all at once when a block is
    full, for hundreds of calls at the same moment.
    """

    __slots__ = ("number", "since")

    def __init__(self, number: int, since: float) -> None:
        self.number = number
        self.since = since
        self.data = bytearray(BLOCK + SLACK)
        self.length = 0
        """Bytes of `data` that are written."""
        self.addresses: dict[tuple[str, int], int] = {}

    def add(self, when: float, flags: int, number: int, size: int, kept: bytes) -> None:
        """Append a record of a packet of `size` bytes, and the bytes `kept` of it."""
        start = self.length + _RECORD.size
        _RECORD.pack_into(self.data, self.length, when, flags, number, size, len(kept))
        self.length = end = start + len(kept)
        self.data[start:end] = kept

    def close(self) -> None:
        """Release the memory that is not used; nothing can be added after it."""
        del self.data[self.length :]

    def packed(self) -> bytes:
        """All that was written, for `read`."""
        return bytes(self.data[: self.length])

    @property
    def size(self) -> int:
        """Bytes of memory that the block takes, roughly."""
        return self.length + OVERHEAD


class Tap(base.Tap):
    """The packets of one call."""

    __slots__ = ("_count", "_options", "_pool", "blocks", "number")

    def __init__(self, pool: "BlockPool", number: int, options: TapOptions) -> None:
        self.number = number
        self.muted = False
        """Whether sound and keys are left out for now, because they must not be recorded."""
        self.blocks: deque[Block] = deque()
        self._pool = pool
        self.clear = options.clear
        """Whether packets received by SRTP are kept decrypted."""
        self._options = options
        self._headers = options.keep == "headers"
        self._count = 0
        self._block: Block | None = None
        self._until = 0.0
        self._full_at = BLOCK

    def take(self, now: float, data: bytes, remote: tuple[str, int], *, out: bool, control: bool = False) -> None:
        """Keep a packet that was sent to `remote` or came from there."""
        block, number = self.ready(now, remote)
        kept = data if control or not (self.muted or self._headers) else data[:HEADER]
        block.add(now, out | control << 1, number, len(data), kept)

    def ready(self, now: float, remote: tuple[str, int]) -> tuple[Block, int]:
        """A block that has room for a packet, and the number that `remote` has in it."""
        block = self._block
        if block is None or block.length >= BLOCK or now >= self._until:
            block = self._begin(now)
        number = block.addresses.get(remote)
        if number is None:
            number = len(block.addresses)
            if number < MAX_ADDRESSES:  # more are a flood, in which the address of a packet does not matter
                block.addresses[remote] = number
                name = f"{remote[0]} {remote[1]}".encode()
                block.add(0.0, _ADDRESS, number, len(name), name)
        return block, number

    def after(self, number: int) -> Block | None:
        """The first block whose number is above `number`."""
        return next((block for block in self.blocks if block.number > number), None)

    def end(self) -> None:
        """Note that the call has ended, so that its blocks are dropped first."""
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


class BlockPool:
    """The blocks of all calls, within a limit."""

    def __init__(self, limit: int = TapOptions.limit) -> None:
        self.limit = limit
        self.size = 0
        """Bytes of all complete blocks."""
        self.taps: dict[int, Tap] = {}
        """The taps of all calls of which packets are kept, by the number of the call."""
        self._live: dict[Block, Tap] = {}
        self._ended: dict[Block, Tap] = {}

    def open(self, number: int, options: TapOptions) -> Tap | None:
        """A tap for the call with that number; None if no packets are kept."""
        self.limit = options.limit
        if options.keep == "off":
            return None
        tap = self.taps[number] = Tap(self, number, options)
        return tap

    def add(self, tap: Tap, block: Block) -> None:
        """Count a complete block, and drop others if the limit is exceeded."""
        block.close()
        self.size += block.size
        self._live[block] = tap
        while self.size > self.limit and (held := self._ended or self._live):
            oldest, owner = next(iter(held.items()))
            self.drop(owner, oldest)

    def end(self, tap: Tap) -> None:
        """Note that the call of `tap` has ended."""
        for block in tap.blocks:
            if self._live.pop(block, None):
                self._ended[block] = tap
        if not tap.blocks:
            self.taps.pop(tap.number, None)

    def drop(self, tap: Tap, block: Block) -> None:
        """Drop a complete block."""
        tap.blocks.remove(block)
        self.size -= block.size
        if self._live.pop(block, None) is None:
            del self._ended[block]
            if not tap.blocks:
                del self.taps[tap.number]


def packed(packets: Iterable[Tapped]) -> bytes:
    """The bytes of a block with `packets`; the reverse of `read`."""
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
    """The packets in the bytes of a block; the reverse of `packed`."""
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
