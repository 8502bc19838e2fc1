"""Conferences on virtual time: each party hears exactly the sum of the others, and nobody waits for anybody."""

import itertools
import random
from itertools import pairwise

import pytest

from media.g711 import FRAME, SILENCE, ULAW_TO_ALAW, mixed, to_linear
from media.process.worker_channel import WorkerChannel
from media.recording.stereo import Recording
from media.rtp import packet as rtp
from media.session.format import Format
from media.session.mixer import KEPT, KEPT_UP, Mixer, together
from media.session.routing import Route
from media.session.session import RtpSession
from tests.media.networks import STEP, loud, number_of
from tests.media.tones import heard, tone

PCMU, PCMA = Format("PCMU", 0, 101), Format("PCMA", 8, 96)
THERE = {"caller": ("192.0.2.1", 4000), "third": ("192.0.2.2", 6000)}
CALLER, AGENT, THIRD = tone("caller"), tone("agent"), tone("third")
ALL = (
    Route.AGENT_TO_CALLER | Route.THIRD_TO_CALLER | Route.CALLER_TO_THIRD | Route.AGENT_TO_THIRD | Route.CALLER_TO_AGENT
    | Route.THIRD_TO_AGENT
)  # fmt: skip
MARGIN = 10
"""Slots until jitter buffers and queues are filled."""


class Conference:
    """A caller with the agent, and a third; `slots` passes time in which each says its frame, None for no packet."""

    def __init__(
        self, routes: Route = ALL, third: Format = PCMU, music: bytes = b"", *, third_first: bool = False
    ) -> None:
        self.channels = {"caller": WorkerChannel(1), "third": WorkerChannel(2)}
        for seed, (name, channel) in enumerate(self.channels.items()):
            channel.session = RtpSession(random.Random(seed).getrandbits)
            channel.session.connect(third if name == "third" else PCMU, THERE[name], 10.0)
        self.caller, self.third = (channel.session for channel in self.channels.values())
        self.order = ["third", "caller"] if third_first else ["caller", "third"]
        self.third_format = third
        self.music = music
        self.at, self.slot = 10.0, 0
        self.sent: dict[str, list[bytes]] = {"caller": [], "third": []}
        self.packets: list[rtp.Packet] = []
        """Those to the caller."""
        self.to_agent: list[bytes] = []
        self.caller.playout.say(1, AGENT * 5000)
        self.route(routes)

    def route(self, routes: Route) -> None:
        self.channels["caller"].confer(self.channels["third"], routes, self.music)

    def slots(self, count: int, caller: bytes | None = CALLER, third: bytes | None = THIRD) -> None:
        for _ in range(count):
            for name, frame in (("caller", caller), ("third", third)):
                if frame is not None:
                    kind = self.third_format.payload_type if name == "third" else 0
                    data = rtp.build(kind, False, self.slot, self.slot * FRAME, len(name), frame)
                    channel = self.channels[name]
                    sound, _ = channel.session.receive(data, THERE[name], self.at)
                    if name == "caller" and sound:
                        mixer = channel.session.mixer
                        self.to_agent.append(mixer.to_agent(sound) if mixer else sound)
            for name in self.order:
                packets, _ = self.channels[name].session.transmit(self.slot, self.at + 0.005)
                for data in packets:
                    packet = rtp.parse(data)
                    assert packet is not None
                    self.sent[name].append(packet.payload)
                    self.packets += [packet] * (name == "caller")
            self.at += STEP
            self.slot += 1

    def hears(self, who: str) -> list[bytes]:
        """What they got since the buffers were filled."""
        return (self.to_agent if who == "agent" else self.sent[who])[MARGIN:]


def only(frames: list[bytes]) -> bytes:
    """The one frame that all of them are."""
    assert len(frames) > 20
    assert len(set(frames)) == 1, f"{len(set(frames))} different frames: {[sorted(heard(one)) for one in set(frames)]}"
    return frames[0]


@pytest.mark.parametrize("third_first", [False, True], ids=["caller's slot first", "third's slot first"])
def test_each_hears_exactly_the_sum_of_the_others(third_first: bool) -> None:
    conference = Conference(third_first=third_first)
    conference.slots(100)
    assert only(conference.hears("caller")) == mixed(AGENT, THIRD)
    assert only(conference.hears("third")) == mixed(CALLER, AGENT)
    assert only(conference.hears("agent")) == mixed(CALLER, THIRD)
    for who, others in (("caller", "agent third"), ("third", "caller agent"), ("agent", "caller third")):
        assert heard(conference.hears(who)[0]) == set(others.split()), "nobody hears themselves"
    assert conference.caller.counts.mix_dropped == 0
    assert conference.caller.counts.mixed >= 3 * 90


ROUTES = [one for one in Route if one not in (Route.THIRD_APART, Route.COVERT)]


@pytest.mark.parametrize(
    "routes", [sum(chosen, Route(0)) for size in range(7) for chosen in itertools.combinations(ROUTES, size)], ids=str
)
def test_of_all_routes_only_the_wanted_are_heard(routes: Route) -> None:
    conference = Conference(Route(routes))
    conference.slots(40)
    ways = {
        "caller": {"agent": Route.AGENT_TO_CALLER, "third": Route.THIRD_TO_CALLER},
        "third": {"agent": Route.AGENT_TO_THIRD, "caller": Route.CALLER_TO_THIRD},
        "agent": {"caller": Route.CALLER_TO_AGENT, "third": Route.THIRD_TO_AGENT},
    }
    for who, others in ways.items():
        wanted = {other for other, way in others.items() if routes & way}
        assert heard(only(conference.hears(who))) == wanted, who


def test_where_one_speaks_their_bytes_pass_unchanged() -> None:
    """Frames with all codes, negative zero too, which a decoder would lose."""
    every = bytes(range(FRAME)), bytes(range(96, 256))
    for frame in every:
        conference = Conference()
        conference.caller.playout.stop()
        conference.slots(30, caller=SILENCE, third=frame)
        assert conference.sent["caller"][-1] == frame
        assert conference.caller.counts.mixed == 0
        conference.slots(30, caller=frame, third=SILENCE)
        assert conference.sent["third"][-1] == frame


def test_what_is_too_loud_is_clipped_and_does_not_wrap() -> None:
    loud = tone("caller", 30_000.0)
    summed = to_linear(mixed(loud, loud))
    conference = Conference()
    conference.caller.playout.stop()
    conference.caller.playout.say(2, loud * 500)
    conference.slots(60, third=loud)
    assert to_linear(conference.sent["caller"][-1]) == summed
    assert heard(conference.sent["caller"][-1]) >= {"caller"}, "clipped, and still the same tone"


def test_a_party_that_sends_nothing_delays_nobody() -> None:
    conference = Conference()
    conference.slots(60, third=None)
    assert only(conference.hears("caller")) == AGENT
    assert only(conference.hears("agent")) == CALLER
    conference.slots(30)
    conference.slots(60, caller=None)
    assert heard(conference.sent["third"][-1]) == {"agent"}
    assert heard(conference.sent["caller"][-1]) == {"agent", "third"}


def test_a_party_that_falls_silent_ends_in_silence_itself() -> None:
    """Not in frames of concealment, which would have to be made and added for ever."""
    conference = Conference()
    conference.slots(30)
    conference.slots(30, third=None)
    before = conference.caller.counts.mixed
    conference.slots(30, third=None)
    assert conference.sent["caller"][-1] == AGENT
    assert conference.caller.counts.mixed == before + 30, "caller and agent for the third, and nobody else"
    listener = conference.third.inbound.listener
    assert listener and listener.take(conference.at) is SILENCE, "nothing is computed for it"


def test_the_streams_have_no_gap_when_the_routes_change() -> None:
    conference = Conference(Route.CALLER_TO_THIRD | Route.AGENT_TO_THIRD | Route.AGENT_TO_CALLER)
    conference.slots(50)
    assert heard(conference.sent["caller"][-1]) == {"agent"}
    conference.route(ALL)
    conference.slots(3)
    assert heard(conference.sent["caller"][-1]) == {"agent", "third"}, "at once: the buffer was there before"
    assert len(conference.sent["caller"]) == len(conference.sent["third"]) == conference.slot


def test_no_frame_is_lost_or_heard_twice_when_the_routes_change() -> None:
    alone = Route.CALLER_TO_THIRD | Route.THIRD_TO_CALLER
    conference = Conference(alone)
    for number in range(100):
        if number == 50:
            conference.route(alone | Route.CALLER_TO_AGENT | Route.THIRD_APART)
        conference.slots(1, third=loud(number))
    numbers = [number for frame in conference.sent["caller"] if (number := number_of(frame)) is not None]  # type: ignore[assignment]
    assert numbers == list(range(numbers[-1] + 1))
    assert numbers[-1] > 90


def test_a_caller_who_does_not_hear_the_agent_hears_music() -> None:
    music = b"\x11" * FRAME + b"\x12" * FRAME
    conference = Conference(Route.AGENT_TO_THIRD | Route.THIRD_TO_AGENT, music=music)
    conference.slots(60)
    assert set(conference.hears("caller")) == {music[:FRAME], music[FRAME:]}
    assert only(conference.hears("third")) == AGENT
    assert only(conference.hears("agent")) == THIRD


def test_the_agents_words_wait_while_nobody_hears_it() -> None:
    conference = Conference(Route.CALLER_TO_THIRD | Route.THIRD_TO_CALLER)
    waiting = conference.caller.playout.waiting
    conference.slots(50)
    assert conference.caller.playout.waiting == waiting
    conference.channels["caller"].part()
    conference.slots(5)
    assert conference.sent["caller"][-1] == AGENT


def test_who_listens_in_secret_hears_nothing_that_may_not_be_kept() -> None:
    conference = Conference(Route.CALLER_TO_THIRD | Route.AGENT_TO_THIRD | Route.AGENT_TO_CALLER | Route.COVERT)
    conference.slots(30)
    assert conference.sent["third"][-1] == SILENCE, "nobody has allowed it yet"
    conference.channels["caller"].pause(on=False)
    conference.slots(10)
    assert heard(conference.sent["third"][-1]) == {"caller", "agent"}
    conference.channels["caller"].pause(on=True)
    conference.slots(3)
    assert conference.sent["third"][-1] == SILENCE


def test_the_recording_has_all_who_speak_to_the_caller_on_the_right() -> None:
    conference = Conference()
    conference.caller.recording = recording = Recording()
    conference.slots(100)
    left_right = recording.finish()
    right = left_right[1::2]
    assert heard(right[50 * FRAME : 60 * FRAME]) == {"agent", "third"}
    conference.route(Route.CALLER_TO_THIRD | Route.AGENT_TO_THIRD | Route.AGENT_TO_CALLER)
    conference.caller.recording = recording = Recording()
    conference.slots(100)
    assert heard(recording.finish()[1::2][50 * FRAME : 60 * FRAME]) == {"agent"}, "a listener is not in it"


def test_a_caller_on_hold_does_not_delay_what_the_third_says() -> None:
    conference = Conference()
    conference.slots(30)
    conference.caller.connect(PCMU, THERE["caller"], conference.at, send=False)
    conference.slots(100)
    conference.caller.connect(PCMU, THERE["caller"], conference.at)
    conference.slots(20, third=tone("third", 600.0))
    assert conference.sent["caller"][-1] == mixed(AGENT, tone("third", 600.0)), "the present, not the past"


def test_a_third_who_is_consulted_hears_the_agent_while_the_caller_holds() -> None:
    conference = Conference(Route.AGENT_TO_THIRD | Route.THIRD_TO_AGENT)
    conference.caller.connect(PCMU, THERE["caller"], 10.0, send=False)
    conference.slots(60)
    assert conference.hears("caller") == []
    assert only(conference.hears("third")) == AGENT
    assert only(conference.hears("agent")) == THIRD


def test_what_the_agent_says_to_all_waits_while_the_caller_holds() -> None:
    conference = Conference()
    conference.caller.connect(PCMU, THERE["caller"], 10.0, send=False)
    conference.slots(60)
    assert only(conference.hears("third")) == CALLER


def test_each_side_has_its_own_codec() -> None:
    conference = Conference(third=PCMA)
    conference.slots(60, third=THIRD.translate(ULAW_TO_ALAW))
    assert heard(only(conference.hears("caller"))) == {"agent", "third"}
    assert only(conference.hears("third")) == mixed(CALLER, AGENT).translate(ULAW_TO_ALAW)


def test_a_key_of_the_callers_goes_to_the_agent_alone_while_it_is_heard() -> None:
    conference = Conference()
    caller, third = conference.channels.values()
    assert caller.key_partner is None is third.key_partner
    conference.route(Route.CALLER_TO_THIRD | Route.THIRD_TO_CALLER)
    assert (caller.key_partner, third.key_partner) == (third, caller)  # type: ignore[comparison-overlap]


def test_what_waits_is_bounded_and_counted() -> None:
    conference = Conference()
    mixer = conference.caller.mixer
    assert isinstance(mixer, Mixer)
    for slot in range(100):  # the third's session does not take, the gateway does not take either
        mixer.to_caller(AGENT, AGENT, mixer.take(slot * STEP), slot * STEP)
    assert conference.caller.counts.mix_dropped == (100 - KEPT) + (100 - KEPT_UP // FRAME)


@pytest.mark.parametrize("length", [0, 1, 159, 160, 161, 800])
def test_the_agent_gets_sound_of_the_length_that_came(length: int) -> None:
    conference = Conference()
    mixer = conference.caller.mixer
    assert mixer is not None
    for slot in range(3):
        conference.third.receive(rtp.build(0, False, slot, slot * FRAME, 5, THIRD), THERE["third"], 10.0 + slot * STEP)
        mixer.take(10.1 + slot * STEP)
    sound = bytes(SILENCE[:1]) * length
    assert len(mixer.to_agent(sound)) == length


def test_silence_is_no_reason_to_add() -> None:
    assert together(CALLER, SILENCE) is CALLER
    assert together(SILENCE, CALLER) is CALLER
    assert together(CALLER, bytes(SILENCE)) is CALLER
    assert together(SILENCE, SILENCE) is SILENCE


def test_a_conference_ends_with_either_channel() -> None:
    for first in ("caller", "third"):
        conference = Conference()
        conference.slots(30)
        conference.channels[first].part()
        assert conference.caller.mixer is None is conference.third.relay
        assert conference.caller.inbound.listener is None is conference.third.inbound.listener
        assert {one.partner for one in conference.channels.values()} == {None}
        assert all(one.heard for one in conference.channels.values())
        conference.slots(5)
        assert conference.sent["caller"][-1] == AGENT
        assert conference.sent["third"][-1] == SILENCE


def test_timestamps_go_on_while_the_routes_change() -> None:
    conference = Conference(Route(0))
    for routes in (ALL, Route.CALLER_TO_THIRD, ALL):
        conference.slots(10)
        conference.route(routes)
    conference.slots(10)
    assert len(conference.packets) == conference.slot
    assert {rtp.signed(b.timestamp - a.timestamp, 32) for a, b in pairwise(conference.packets)} == {FRAME}
