"""Calls as they are told to the CDR writer, and rows as they would stand in a database."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.records import AgentSays, CallerSaid, Times, ToolDone, ToolRun, Turn, TurnEnded
from sipgw.events import CallAnswered, CallBegan, CallEnded, CallKey, CallReported, CallRinging, Disposition, Event
from sipgw.records.store.artifact_states import ArtifactKind, ArtifactState
from sipgw.records.store.store import Store
from sipgw.records.store.tables import ArtifactRecord, CallRecord, ToolCallRecord, TurnRecord

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def artifact(call: str, path: str, kind: ArtifactKind = ArtifactKind.RECORDING, **more: Any) -> ArtifactRecord:
    """The row of a file of a call."""
    given = {"created": START, "state": ArtifactState.FINISHED.value, "gateway": ""} | more
    return ArtifactRecord(call=call, path=path, kind=kind.value, **given)


async def add_call(store: Store, record: CallRecord, turns: Sequence[dict[str, Any]] = ()) -> None:
    """Put a call into the database, without the CDR writer."""
    async with store.write() as session:
        session.add(record)
        if record.recording:
            session.add(artifact(record.id, record.recording, created=record.began, gateway=record.gateway or ""))
        for number, turn in enumerate(turns):
            said = {name: value for name, value in turn.items() if name != "tools"}
            session.add(TurnRecord(call=record.id, number=number, **said))
            session.add_all(ToolCallRecord(call=record.id, turn=number, **run) for run in turn.get("tools", ()))


def key(record: Mapping[str, Any]) -> CallKey:
    """The call of a record whose Call-ID no earlier call had."""
    return CallKey(record["id"], record["began"])


def call_began(call: str = "c", caller: str = "+14155550123", **more: Any) -> CallBegan:
    fields = {"direction": "in", "trunk": "pbx", "agent": "agent", "called": "100", "identity": {"number": caller}}
    return CallBegan(call, START, caller=caller, **(fields | more))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def turn(caller: str, said: str, *tools: ToolRun) -> Turn:
    return Turn(caller, said, said, tools=list(tools), times=Times(caller_stopped=1.0, first_packet=1.812))


def a_call(call: str = "c", turns: Sequence[Turn] = (), ending: str = "caller_hung_up", **more: Any) -> list[Event]:
    """All events of a call of a minute."""
    events: list[Event] = [call_began(call, **more), CallRinging(call, at(1)), CallAnswered(call, at(2))]
    for number, one in enumerate(turns):
        told = at(10 + number)
        reports = [CallerSaid(one.caller, True), AgentSays(one.said), *map(ToolDone, one.tools), TurnEnded(one)]
        events += [CallReported(call, told, report) for report in reports]  # type: ignore[arg-type]
    return [*events, CallEnded(call, at(60), Disposition(ending, "caller: BYE"), {"packets_received": 3000})]
