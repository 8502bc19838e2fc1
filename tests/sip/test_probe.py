"""Asking by OPTIONS whether a trunk is there, for hours of virtual time."""

import itertools

import pytest

from sipgw.sip.checks import Refusal
from sipgw.sip.probe import Probe, ProbeOptions, Reach
from sipgw.sip.uri import Uri
from tests.sip.wire import Wire

US, CARRIER = "10.0.0.1", "10.0.0.2"


def probing(every: float = 30.0) -> tuple[Wire, Probe, list[Reach]]:
    wire = Wire(US, CARRIER)
    probe = Probe(wire.parties[US].agent.clients, ProbeOptions(Uri.parse(f"sip:{CARRIER}"), every=every))
    told: list[Reach] = []
    probe.changed = lambda: told.append(probe.reach)
    probe.ask(wire.now)
    return wire, probe, told


def test_it_asks_for_ever_at_the_pace_that_carriers_allow() -> None:
    wire, probe, told = probing(15.0)
    wire.run(3600)
    asked = wire.seen(US, "OPTIONS")
    assert 210 <= len(asked) <= 241
    assert min(later - earlier for earlier, later in itertools.pairwise(asked)) >= 15.0
    assert (probe.reach, probe.reason) == (Reach.UP, "200 OK")
    assert told == [Reach.UP], "told once, not at every answer"


@pytest.mark.parametrize(("status", "reach"), [(404, Reach.UP), (405, Reach.UP), (401, Reach.UP), (503, Reach.DOWN)])
def test_any_answer_shows_somebody_there_and_503_that_calls_are_not_wanted(status: int, reach: Reach) -> None:
    wire, probe, _ = probing()
    wire.parties[CARRIER].admit = lambda request, peer: Refusal(status)
    wire.run(5)
    assert probe.reach is reach
    assert str(status) in probe.reason


def test_a_dead_trunk_is_noticed_and_its_return_too() -> None:
    wire, probe, told = probing()
    wire.run(60)
    wire.drop = lambda source, message: source == CARRIER
    wire.run(120)
    assert probe.reach is Reach.DOWN
    wire.drop = lambda source, message: False
    wire.run(80)
    assert told == [Reach.UP, Reach.DOWN, Reach.UP]


def test_one_that_is_back_before_it_counts_as_down_has_returned_too() -> None:
    """A PBX that restarts has perhaps lost our registration. One lost datagram is no restart."""
    wire, probe, told = probing()
    returned: list[float] = []
    probe.returned = lambda now: returned.append(now - 1000)
    wire.run(60)
    for away in (0.3, 1.2, 20.0, 60.0):
        before, returned[:] = len(wire.seen(US, "OPTIONS")), []
        wire.drop = lambda source, message: True
        while len(wire.seen(US, "OPTIONS")) == before:
            wire.run(0.1)
        wire.run(away)
        wire.drop = lambda source, message: False
        wire.run(40)
        assert len(returned) == (away > 1)
    assert told == [Reach.UP, Reach.DOWN, Reach.UP], "only the last was long"


def test_closed_it_asks_no_more() -> None:
    wire, probe, _ = probing()
    wire.run(5)
    probe.close(wire.now)
    before = len(wire.seen(US, "OPTIONS"))
    wire.run(3600)
    assert len(wire.seen(US, "OPTIONS")) == before
    assert wire.parties[US].agent.open == 0


def test_asking_too_often_is_refused() -> None:
    with pytest.raises(ValueError, match="carriers ban"):
        ProbeOptions(Uri.parse("sip:x"), every=5)
