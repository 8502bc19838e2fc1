"""tshark reads the same captures as we do, and comes to the same jitter and loss; it reads our RTCP."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from media.g711 import FRAME, RATE
from media.rtp import packet as rtp
from media.rtp import rtcp
from media.rtp.rtcp import ExtendedReport
from media.session.format import Format
from media.session.session import RtpSession
from tests.interop.pcap import fields, streams, write_pcap

pytestmark = pytest.mark.programs("tshark")

MEDIA, CONTROL = ("192.0.2.1", 4000), ("192.0.2.1", 4001)
SECONDS = 60
Arrivals = list[tuple[float, bytes]]


def packet(number: int, kind: int = 0, *, base: int = 64_000, slot: int | None = None) -> bytes:
    """The packet with sequence number `base` + `number`, spoken in 20 ms slot `slot`."""
    return rtp.build(kind, False, base + number, (number if slot is None else slot) * FRAME, 7, b"\x90" * FRAME)


def internet(chance: random.Random) -> Arrivals:
    """Gamma jitter that reorders, and 3 % of loss."""
    sent = [(number * 0.020 + chance.gammavariate(1.2, 0.012), packet(number)) for number in range(SECONDS * 50)]
    return sorted(one for one in sent if chance.random() >= 0.03)


def bursts(chance: random.Random) -> Arrivals:
    """Loss in bursts of four, packets doubled."""
    arrivals, gone = [], False
    for number in range(SECONDS * 50):
        gone = chance.random() < (0.75 if gone else 0.01)
        if not gone:
            arrivals += [(number * 0.020 + chance.random() * 0.004, packet(number))] * (1 + (number % 97 == 0))
    return arrivals


def pauses(chance: random.Random) -> Arrivals:
    """A sender that falls silent after a packet of comfort noise, half of the time."""
    arrivals, number = [], 0
    for slot in range(SECONDS * 50):
        talking = slot // 100 % 2 == 0
        if talking or slot % 100 == 0:
            arrivals.append((slot * 0.020 + chance.random() * 0.010, packet(number, 0 if talking else 13, slot=slot)))
            number += 1
    return arrivals


@pytest.mark.parametrize("network", [internet, bursts, pauses])
def test_tshark_comes_to_the_same_jitter_and_loss(tmp_path: Path, network: Callable[[random.Random], Arrivals]) -> None:
    arrivals = network(random.Random(11))
    (seen,) = streams(write_pcap(tmp_path / "sound.pcap", [(at, 4000, data) for at, data in arrivals]))
    session = RtpSession(random.Random(1).getrandbits)
    session.connect(Format("PCMU", 0, 101), MEDIA, 0.0)
    jitters = []
    for at, data in arrivals:
        session.receive(data, MEDIA, at)
        jitters.append(session.inbound.received.jitter / RATE)
    tally = session.inbound.received.tally
    assert (tally.packets, tally.lost) == (seen.packets, seen.lost)
    assert seen.max_jitter > seen.mean_jitter > 0.0005
    assert max(jitters) == pytest.approx(seen.max_jitter, abs=2e-6)
    # tshark's mean leaves out the first packet and those after comfort noise.
    assert sum(jitters) / (len(jitters) - 1) == pytest.approx(seen.mean_jitter, abs=5e-6)


NAMES = (
    "_ws.malformed", "rtcp.pt", "rtcp.sender.packetcount", "rtcp.timestamp.rtp", "rtcp.ssrc.cum_nr",
    "rtcp.ssrc.ext_high", "rtcp.ssrc.jitter", "rtcp.xr.voipmetrics.burstdensity", "rtcp.xr.voipmetrics.gmin",
    "rtcp.xr.voipmetrics.rfactor", "rtcp.xr.voipmetrics.jbabsmax", "rtcp.xr.voipmetrics.moscq",
)  # fmt: skip


def test_tshark_reads_our_rtcp(tmp_path: Path) -> None:
    session = RtpSession(random.Random(1).getrandbits)
    session.connect(Format("PCMU", 0, 101), MEDIA, 0.0)
    written, expected = [], []
    arrivals = bursts(random.Random(11))
    for slot in range(SECONDS * 50):
        now = slot * 0.020
        while arrivals and arrivals[0][0] <= now:
            session.receive(arrivals[0][1], MEDIA, arrivals.pop(0)[0])
        (sent,) = map(rtp.parse, session.transmit(slot)[0])
        session.poll(now)
        last = slot == SECONDS * 50 - 1
        if now >= session.deadline or last:
            data, _ = session.bye(now) if last else session.handle_timer(now)
            if data and sent:
                written.append((now, 4001, data))
                reception = session.inbound.received
                expected.append((
                    "200,202,207,203" if last else "200,202,207", slot + 1, sent.timestamp, reception.tally.lost,
                    reception.highest_sequence, int(reception.jitter),
                ))  # fmt: skip
    read = fields(write_pcap(tmp_path / "reports.pcap", written), 4001, *NAMES)
    assert len(read) == len(written) > 8
    for (malformed, kinds, *values), (names, *numbers), (_, _, data) in zip(read, expected, written, strict=True):
        assert (malformed, kinds) == ("", names)
        (extended,) = (told for told in rtcp.parse(data) or [] if isinstance(told, ExtendedReport))
        (metrics,) = extended.metrics
        numbers += [metrics.burst_density, metrics.gmin, metrics.r_factor, metrics.jitter_buffer_abs_max]
        assert [int(value) for value in values[:-1]] == numbers
        assert float(values[-1]) == metrics.mos_cq / 10
    assert metrics.burst_density > 0
