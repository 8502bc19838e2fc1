"""The VoIP metrics block of RTCP extended reports (RFC 3611 §4.7)."""

import struct
from typing import NamedTuple

BLOCK_TYPE = 7
UNAVAILABLE = 127
GMIN = 16
"""Packets received in a row that end a burst (RFC 3611 §4.7.2)."""

_BLOCK = struct.Struct("!BxHI4B4HbbBB4BBxHHH")
SIZE = _BLOCK.size
"""Bytes of the block."""


class VoipMetrics(NamedTuple):
    """One block; every field is the number on the wire."""

    ssrc: int
    """The source that is reported on."""
    loss_rate: int = 0
    """Part of the packets that the network lost since the beginning, in 1/256, like the next three fields."""
    discard_rate: int = 0
    """Part of the packets that came too late to be used."""
    burst_density: int = 0
    """Part of the packets lost or discarded within bursts."""
    gap_density: int = 0
    """Part of the packets lost or discarded outside of bursts."""
    burst_duration: int = 0
    """Mean duration of a burst in ms."""
    gap_duration: int = 0
    """Mean duration of a gap in ms."""
    round_trip: int = 0
    """Round trip in ms; 0 if not known yet."""
    end_system_delay: int = 0
    """Delay of our end in ms, sending and receiving together."""
    signal_level: int = UNAVAILABLE
    noise_level: int = UNAVAILABLE
    echo_return_loss: int = UNAVAILABLE
    gmin: int = GMIN
    r_factor: int = UNAVAILABLE
    external_r_factor: int = UNAVAILABLE
    mos_lq: int = UNAVAILABLE
    """MOS of listening quality (without the delay) in 1/10."""
    mos_cq: int = UNAVAILABLE
    """MOS of conversational quality (with the delay) in 1/10."""
    receiver_config: int = 0
    """Concealment, kind of jitter buffer, rate of its adaption."""
    jitter_buffer: int = 0
    """Delay of a packet that is on time, in ms."""
    jitter_buffer_max: int = 0
    """Largest delay with which a packet would still be used now, in ms."""
    jitter_buffer_abs_max: int = 0
    """The greatest delay that the buffer may ever reach, in ms."""

    def encode(self) -> bytes:
        """Its bytes."""
        return _BLOCK.pack(BLOCK_TYPE, SIZE // 4 - 1, *self)

    @classmethod
    def parse(cls, block: bytes) -> "VoipMetrics":
        """Read `SIZE` bytes of a block whose type and length were checked."""
        _, _, *fields = _BLOCK.unpack(block)
        return cls(*fields)
