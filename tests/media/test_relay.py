"""Two calls bridged: each hears the other under all network conditions; on virtual time."""

import random
from itertools import pairwise

import pytest

from media.g711 import ALAW_TO_ULAW, FRAME, SILENCE, ULAW_TO_ALAW
from media.process.worker_channel import WorkerChannel
from media.recording.stereo import Recording
from media.rtp import packet as rtp
from media.session.format import Format
from media.session.relay import Music
from media.session.session import RtpSession
from tests.media.far_end import Arrival, Speaker
from tests.media.hearing import Hearing, figures, to_person
from tests.media.networks import CONDITIONS, STEP, Condition, Packet

PCMU, PCMA = Format("PCMU", 0, 101), Format("PCMA", 8, 96)
THERE = {"caller": ("192.0.2.1", 4000), "person": ("192.0.2.2", 6000)}


class Bridged:
    """A caller and a person, joined; `at` is the person's next slot."""

    def __init__(self, caller: Format = PCMU, person: Format = PCMU, at: float = 10.003) -> None:
        self.channels = WorkerChannel(1), WorkerChannel(2)
        for seed, channel in enumerate(self.channels, 1):
            channel.session = RtpSession(random.Random(seed).getrandbits)
        self.caller, self.person = (channel.session for channel in self.channels)
        self.caller.connect(caller, THERE["caller"], at)
        self.person.connect(person, THERE["person"], at)
        self.join()
        self.at, self.slot = at, 0
        self.to_person: list[rtp.Packet] = []
        self.to_caller: list[rtp.Packet] = []

    def join(self) -> None:
        caller, person = self.channels
        caller.bridge(person)

    def part(self) -> None:
        self.channels[0].part()

    def arrive(self, packet: Arrival, *, kind: int = 0, ssrc: int = 7) -> None:
        """A packet of the caller's."""
        self.wait(packet.at)
        data = rtp.build(kind, False, packet.sequence, packet.timestamp, ssrc, packet.payload or b"")
        self.caller.receive(data, THERE["caller"], packet.at)

    def wait(self, until: float) -> None:
        """Send to both what is due."""
        while self.at <= until:
            for session, sent in ((self.person, self.to_person), (self.caller, self.to_caller)):
                sent += [packet for data in session.transmit(self.slot, self.at)[0] if (packet := rtp.parse(data))]
            self.at += STEP
            self.slot += 1

    def said(self, speaker: Speaker) -> list[int]:
        """The numbers of the frames of `speaker` that the person got untouched."""
        numbers = {frame: number for number, frame in enumerate(speaker.sent)}
        return [numbers[packet.payload] for packet in self.to_person if packet.payload in numbers]


def talked(bridged: Bridged, speaker: Speaker, frames: int = 100) -> Bridged:
    for packet in speaker.speak(frames):
        bridged.arrive(packet)
    bridged.wait(speaker.at + 0.2)
    return bridged


FEW = ("carrier", "10 % loss", "3 % reordered", "re-INVITE, new SSRC", "LTE drive")
"""Conditions that `make check` tries: jitter, loss, order, a new stream and stalls."""


def test_mu_law_passes_untouched_and_in_order() -> None:
    bridged = talked(Bridged(), speaker := Speaker())
    assert bridged.said(speaker) == list(range(100))
    assert {packet.payload for packet in bridged.to_caller} == {SILENCE}, "the person says nothing"


def test_the_packets_to_each_are_a_stream_of_their_own_without_a_gap() -> None:
    bridged = talked(Bridged(), Speaker())
    for sent in (bridged.to_person, bridged.to_caller):
        assert len({packet.ssrc for packet in sent}) == 1
        assert {rtp.signed(b.sequence - a.sequence, 16) for a, b in pairwise(sent)} == {1}
        assert {rtp.signed(b.timestamp - a.timestamp, 32) for a, b in pairwise(sent)} == {FRAME}
    assert bridged.to_person[0].ssrc not in (7, bridged.to_caller[0].ssrc)


@pytest.mark.parametrize(
    ("caller", "person"), [(PCMA, PCMU), (PCMU, PCMA), (PCMA, PCMA)], ids=["A to mu", "mu to A", "A to A"]
)
def test_a_law_is_translated_where_it_is_spoken(caller: Format, person: Format) -> None:
    bridged, speaker = Bridged(caller, person), Speaker()
    packets = speaker.speak(20)
    for packet in packets:
        bridged.arrive(packet, kind=caller.payload_type)
    bridged.wait(speaker.at + 0.1)
    meant = [frame.translate(ALAW_TO_ULAW) if caller is PCMA else frame for frame in speaker.sent]
    meant = [frame.translate(ULAW_TO_ALAW) if person is PCMA else frame for frame in meant]
    got = [packet.payload for packet in bridged.to_person]
    first = got.index(meant[0])
    assert got[first : first + 20] == meant
    assert {packet.payload_type for packet in bridged.to_person} == {person.payload_type}


@pytest.mark.parametrize(
    "condition",
    [pytest.param(one, id=one.name, marks=() if one.name in FEW else pytest.mark.slow) for one in CONDITIONS],
)
def test_a_person_hears_what_a_listener_at_the_buffer_hears(condition: Condition) -> None:
    """The conditions and figures of `media.jitter.playout_buffer`: the bridge adds nothing to them."""

    def listen(packets: list[Packet]) -> Hearing:
        bridged, hearing = Bridged(at=packets[0].at + 0.007), Hearing()
        for packet in packets:
            bridged.arrive(
                Arrival(packet.at, packet.sequence, packet.timestamp, packet.payload), ssrc=100 + packet.stream
            )
        for slot, sent in enumerate(bridged.to_person):
            hearing.hear(packets[0].at + 0.007 + slot * STEP, sent.payload)
        return hearing

    here, there = figures(condition, listen, 130.0), figures(condition, to_person, 130.0)
    streams = 2 if condition.sender.reinvites else 0  # the first packet of a new stream waits for its second
    assert here.lost <= there.lost + 0.02 * (1 + streams)
    assert here.lag_mean == pytest.approx(there.lag_mean, abs=2.0)
    assert here.lag_p95 == pytest.approx(there.lag_p95, abs=20.0)
    assert here.disordered == there.disordered


def test_a_new_stream_of_the_callers_is_heard_too() -> None:
    bridged = talked(Bridged(), speaker := Speaker())
    speaker.sequence, speaker.timestamp = 9, 77
    for packet in speaker.speak(50):
        bridged.arrive(packet, ssrc=8)
    bridged.wait(speaker.at + 0.2)
    assert bridged.said(speaker)[-48:] == list(range(102, 150)), "the second packet shows that it is one; overlapped"


def test_a_person_who_held_us_hears_the_present_and_not_the_past() -> None:
    bridged, speaker = Bridged(), Speaker()
    talked(bridged, speaker, 50)
    bridged.person.connect(PCMU, THERE["person"], bridged.at, send=False)
    before = len(bridged.to_person)
    for packet in speaker.speak(500):
        bridged.arrive(packet)
    assert len(bridged.to_person) == before
    bridged.person.connect(PCMU, THERE["person"], bridged.at)
    for packet in speaker.speak(50):
        bridged.arrive(packet)
    bridged.wait(speaker.at + 0.2)
    heard = bridged.said(speaker)
    assert heard[-50:] == list(range(550, 600))
    assert [number for number in heard if 60 <= number < 530] == []


def test_a_key_sounds_on_the_other_side_and_no_word_waits_for_it() -> None:
    bridged, speaker = Bridged(), Speaker()
    for at, packet in enumerate(speaker.speak(100)):
        bridged.arrive(packet)
        if at == 40:
            bridged.person.digits.send("5", 0.1, 0.1)
    bridged.wait(speaker.at + 0.2)
    assert {packet.payload[0] for packet in bridged.to_person if packet.payload_type == 101} == {5}
    assert bridged.said(speaker)[-50:] == list(range(50, 100))


def test_the_recording_has_the_caller_left_and_right_whoever_speaks_to_them() -> None:
    bridged = Bridged()
    bridged.caller.recording = recording = Recording()
    speech = bytes([0x10, 0x90]) * 80
    bridged.caller.playout.say(1, speech * 10)
    bridged.part()
    for number in range(10):
        bridged.arrive(Arrival(10.0 + number * STEP, number, number * FRAME, b"\x22" * FRAME))
    bridged.join()
    for number in range(10, 60):
        packet = rtp.build(0, False, number, number * FRAME, 9, b"\x33" * FRAME)
        bridged.wait(10.0 + number * STEP)
        bridged.person.receive(packet, THERE["person"], 10.0 + number * STEP)
    bridged.wait(11.4)
    right = recording.finish()[1::2]
    assert speech in right
    assert b"\x33" * FRAME * 40 in right
    assert right.index(b"\x33") > right.index(speech)


def test_once_parted_the_agent_speaks_again_where_it_was() -> None:
    bridged = talked(Bridged(), Speaker())
    bridged.person.playout.say(1, b"\x55" * FRAME * 3)
    bridged.wait(bridged.at + 0.1)
    bridged.part()
    before = len(bridged.to_person)
    bridged.wait(bridged.at + 0.1)
    assert [packet.payload for packet in bridged.to_person[before:]][:3] == [b"\x55" * FRAME] * 3


def test_music_begins_again_at_its_end_and_always_fills_its_slot() -> None:
    music = Music(b"\x01" * FRAME + b"\x02" * 40)
    frames = [music.take(0.0) for _ in range(4)]
    assert frames == [b"\x01" * FRAME, b"\x02" * 40 + SILENCE[40:]] * 2
