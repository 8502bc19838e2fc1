"""The states of trunks and of the parts of agents: one answer for all pages that show them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from agent.records import Part
from sipgw.config.words import PARTS as WORDS
from sipgw.events import CallKey
from sipgw.trunks.watch import TrunkStatus
from sipgw.web.found_call import link as link_to
from sipgw.web.overview import Overview
from sipgw.web.provider_stats import PARTS, Latency
from sipgw.web.state import App

LATELY = timedelta(minutes=15)
"""Time after a failure in which the light of a provider is red."""
DAY = timedelta(days=1)
"""Time after a failure in which the light of a provider is yellow."""

State = Literal["up", "wait", "down", ""]


class StatusLight(NamedTuple):
    """The state of one thing, for a page: a name, a colour, a sentence and a link."""

    name: str
    state: State
    """The colour of the light; empty if the state is unknown."""
    told: str
    link: str
    """The page with more details; empty if this person may not open it."""


class LastFailure(NamedTuple):
    """The last failure of a part of an agent, in the records of a day or since the start of this process."""

    at: datetime
    cause: str
    call: CallKey | str
    """The identity of the call's record, if it is known already; otherwise the key of the call."""


class ProviderState(NamedTuple):
    """A part of an agent."""

    agent: str
    part: Part
    provider: str
    state: State
    told: str
    latency: Latency | None
    failure: LastFailure | None

    def light(self, page: str, *, several: bool) -> StatusLight:
        """The light of the part; `page` has more details. With `several` agents the name of the light begins with the
        agent's name."""
        label = f"{WORDS[self.part]} {self.provider}"
        call = self.failure.call if self.failure and self.state in ("down", "wait") else ""
        link = link_to(call if isinstance(call, str) else call.call) if call else page
        return StatusLight(f"{self.agent}: {label}" if several else label, self.state, self.told, link)


def trunk_light(status: TrunkStatus, link: str) -> StatusLight:
    """The light of a trunk."""
    alarm = next((one for one in status.sound if one.raised), None)
    state: State
    if status.registration == "failed" or status.health == "down":
        state, told = "down", status.registration_reason or status.health_reason or "not reachable"
    elif alarm:
        state, told = "down" if alarm.fault == "failed" else "wait", alarm.told
    elif status.registration == "trying":
        state, told = "wait", "registering"
    elif status.registration in ("registered", "elsewhere") or status.health == "up":
        state, told = "up", status.registration or "reachable"
    else:
        state, told = "", "takes calls; not asked how it is (options_every)"
    return StatusLight(status.name, state, told, link)


def provider_states(app: App, found: Overview | None) -> Iterator[ProviderState]:
    """The parts of each agent; `found` is the overview of the records, None if the database does not answer."""
    now = app.overviews.now()
    for agent, known in app.gateway.agents.all.items():
        for part in known.choice.parts:
            recorded = found.failures.get((agent, part)) if found else None
            seen = app.provider_stats.failure(agent, part)
            failure = LastFailure(recorded.last, recorded.cause, recorded.call) if recorded else None
            if seen and (failure is None or seen.at > failure.at):  # the records get a failure a moment later
                failure = LastFailure(seen.at, seen.cause, seen.call)
            latency = app.provider_stats.latency(agent, PARTS[part])
            state: State
            if failure and now - failure.at < DAY:
                state = "down" if now - failure.at < LATELY else "wait"
                times = recorded.times if recorded else 1
                told = f"failed {'once' if times == 1 else f'{times} times'} in a day, last: {failure.cause}"
            else:
                state, told = ("up", f"p50 {latency.p50} ms") if latency else ("", "not used since the start")
            yield ProviderState(agent, part, known.choice.of(part), state, told, latency, failure)
