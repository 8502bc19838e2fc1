"""List of the people and agents in a running call, for the pages and the API."""

from datetime import datetime
from typing import Any, Literal, NamedTuple

from sipgw.calls.consult_leg import ConsultLeg
from sipgw.calls.session import CallSession
from sipgw.calls.transfer_targets import TransferTarget
from sipgw.calls.transfers import TransferState

Role = Literal["caller", "callee", "agent", "person", "supervisor"]
"""A supervisor came to listen or to whisper; a person is anybody else who was called into the call."""


class Party(NamedTuple):
    """A person or an agent in a call."""

    role: Role
    name: str
    """Name of the agent or person; of the other side the display name. Empty if there is none."""
    number: str
    """Number or address; empty for the agent, and for an operator on a page of the dashboard."""
    since: str
    """ISO time at which they came in: the answer of the call, for an agent a hand-over, for others after a briefing."""
    held: bool = False
    """Whether the party has put the call on hold."""


def parties(session: CallSession) -> list[dict[str, Any]]:
    """List the parties in the call now, the other side first, each as the dict of a `Party`. A phone that only rings is
    not in the list."""
    info, line, third, transfers = session.info, session.context.line, session.conference.third, session.transfers
    if info.answered is None:
        return []
    since = _iso(info.answered)
    name = info.identity.name if info.direction == "in" else ""
    found = [Party("caller" if info.direction == "in" else "callee", name, info.other, since, line.on_hold)]
    if transfers.state is not TransferState.JOINED:
        found.append(Party("agent", info.agent, "", _iso(info.handed_over or info.answered)))
    if third is not None:
        found.append(_called("supervisor" if third.supervises else "person", third.person, third.target))
    elif transfers.person is not None and transfers.target is not None:
        found.append(_called("person", transfers.person, transfers.target))
    return [one._asdict() for one in found]


def _called(role: Role, person: ConsultLeg, target: TransferTarget) -> Party:
    number = (person.number or str(target.uri)) if person.leg else ""
    return Party(role, target.name, number, _iso(person.since), person.line.on_hold)


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
