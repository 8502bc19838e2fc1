"""The tables of calls, offers and failover: what they must have in common, and that nothing reaches a missing cell."""

import random
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

import pytest

from sipgw.sip.events import Offered, Phase
from sipgw.sip.failover_table import BRANCH, FAILOVER, INVITE_FAILOVER, BranchState, FailoverEvent, FailoverState
from sipgw.sip.invite_dialog_table import CLIENT, SERVER, InviteEvent
from sipgw.sip.machine import MachineError, step
from sipgw.sip.offer_exchange_table import OFFERS, OfferEvent, OfferState
from tests.sip.test_calls import A, B, Call, nothing_left
from tests.sip.wire import ANSWER, OFFER, Wire

Table = Mapping[tuple[Enum, Enum], tuple[Enum, tuple[Enum, ...]]]
TABLES: dict[str, tuple[Any, Enum]] = {
    "INVITE, failover": (INVITE_FAILOVER, FailoverState.ENDED),
    "failover": (FAILOVER, FailoverState.OVER),
    "branch": (BRANCH, BranchState.DONE),
    "client": (CLIENT, Phase.ENDED),
    "server": (SERVER, Phase.ENDED),
    "offers": (OFFERS, OfferState.CLOSED),
}


def reached(table: Table, start: Enum) -> set[Enum]:
    """The states that `start` leads to."""
    found, new = set[Enum](), {start}
    while new:
        found |= new
        new = {then for (state, _), (then, _) in table.items() if state in found} - found
    return found


@pytest.mark.parametrize("name", TABLES)
def test_every_state_is_reached_and_leads_to_the_end(name: str) -> None:
    table, end = TABLES[name]
    first = next(iter(table))[0]
    states = {state for state, _ in table} | {then for then, _ in table.values()}
    assert reached(table, first) == states
    assert all(end in reached(table, state) for state in states)


@pytest.mark.parametrize(
    ("table", "state", "event"),
    [
        (SERVER, Phase.CALLING, InviteEvent.ACK),
        (CLIENT, Phase.ENDED, InviteEvent.PROVISIONAL),
        (OFFERS, OfferState.REMOTE, OfferEvent.OFFER),
        (OFFERS, OfferState.STABLE, OfferEvent.ANSWER),
        (FAILOVER, FailoverState.OVER, FailoverEvent.NO_MORE),
    ],
)
def test_an_event_without_a_cell_is_an_error(table: Any, state: Enum, event: Enum) -> None:
    with pytest.raises(MachineError, match=event.name):
        step(table, state, event)


def acted(chance: random.Random, call: Call, wire: Wire) -> None:
    """One of the two sides does something, whether or not it is the time for it."""
    server, now = getattr(call, "server", None), wire.now
    side, sdp = chance.choice([(call.client, OFFER), (server or call.client, ANSWER)])
    offer = (("Content-Type", "application/sdp"),)
    actions = [
        *[lambda: side.session.change(sdp, now)] * 3,
        lambda: side.accept_offer(sdp, now),
        lambda: side.reject_offer(488, now),
        lambda: side.request("UPDATE", now, fields=offer, body=sdp),
        lambda: chance.random() < 0.3 and side.hangup(now),
    ]
    if server is not None:
        actions += [
            lambda: server.ringing(now),
            lambda: server.progress(ANSWER, now),
            *[lambda: server.answer(ANSWER, now)] * 2,
            lambda: chance.random() < 0.2 and server.reject(486, now),
        ]
    chance.choice(actions)()


def answering(chance: random.Random, side: Any, sdp: bytes, wire: Wire) -> Any:
    def take(event: object) -> None:
        if isinstance(event, Offered) and chance.random() < 0.5:
            side.accept_offer(sdp, wire.now)
        elif isinstance(event, Offered) and chance.random() < 0.5:
            side.reject_offer(488, wire.now)

    return take


@pytest.mark.parametrize("reliable", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_whatever_both_sides_do_at_whatever_time_reaches_no_missing_cell(seed: int, *, reliable: bool) -> None:
    """Both sides ring, answer, change, refuse and hang up at random, also too late and twice."""
    chance = random.Random(seed)
    wire = Wire(seed=seed, lost=0.1 * (seed % 3), doubled=0.1 * (seed % 2), session=((A, B)[seed % 2], 90))
    call = Call(wire)
    if reliable:
        call.client.invite = replace(
            call.client.invite, headers=call.client.invite.headers.with_(("Require", "100rel"))
        )
    call.client.on_event = answering(chance, call.client, OFFER, wire)
    call.client.start(wire.now)
    wire.run(0.1)
    if server := getattr(call, "server", None):
        server.on_event = answering(chance, server, ANSWER, wire)
    for _ in range(25):
        acted(chance, call, wire)
        wire.run(chance.choice((0.005, 0.02, 0.5, 3.0, 40.0)))
    for one in filter(None, (call.client, server, call.client, server)):
        one.hangup(wire.now)
    nothing_left(wire)
