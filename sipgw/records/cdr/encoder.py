"""Encodes call events as entries of the spool, which make up the CDR of each call. Sans-IO."""

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from agent.records import (
    AgentSays,
    CallerSaid,
    HandedOver,
    Interrupted,
    LanguageChanged,
    ProviderFailed,
    Report,
    ToolDone,
    ToolRun,
    ToolStarted,
    TurnDecided,
    TurnEnded,
)
from sipgw.bounds import BoundedTable
from sipgw.events import (
    FAILED,
    CallAnswered,
    CallBegan,
    CallCharged,
    CallEnded,
    CallerVerified,
    CallMeasured,
    CallReported,
    CallRinging,
    CostAlarm,
    Event,
    MessageTaken,
    TrunkAlarm,
)
from sipgw.records.privacy.growing import GrowingText
from sipgw.records.privacy.redaction import Redact, in_number
from sipgw.records.store.reports import ReportState
from sipgw.records.store.spool import Entry
from sipgw.records.store.tables import CAUSE, ID, PARTY

WORDS = 20_000
"""Characters of one text that are kept."""
LARGEST = 50_000
"""Characters of one JSON value that are kept."""
MISSED = 10_000
"""Calls whose missed events are remembered."""
DEEPEST = 12
"""Levels of one JSON value that are kept."""
ABOUT = ("direction", "trunk", "agent", "caller", "called")
"""Fields about the call in every webhook."""
TOLD = {
    "CallRinging": "ringing",
    "CallAnswered": "answered",
    "CallTransferred": "transfer",
    "TrunkAlarm": "alarm",
    "CostAlarm": "alarm",
}
"""The names of these events in webhooks."""


@dataclass
class CallInProgress:
    """The state of a running call that its entries need."""

    identity: dict[str, Any]
    redact: Redact
    about: dict[str, Any] = field(default_factory=dict)
    """Caller and called party, for webhooks."""
    answered: bool = False
    turn: int = 0
    slowest: int = 0
    """Milliseconds of the slowest answer so far."""
    caller: GrowingText = field(default_factory=lambda: GrowingText(WORDS))
    """The words of the present turn; the turn itself is written when it is over."""
    said: GrowingText = field(default_factory=lambda: GrowingText(WORDS))


class CdrEncoder:
    """Turns the events of calls into entries."""

    def __init__(self, redactor: Callable[[str], Redact], reports: Callable[[str], bool] = lambda _: False) -> None:
        """`redactor` returns, for an agent's name, the function that removes private data from texts. `reports` tells,
        for an agent's name, whether its calls get a report."""
        self.reports = reports
        self._redactor = redactor
        self._going: dict[str, CallInProgress] = {}
        self.missed = BoundedTable[str, Event]("records", MISSED)
        """By call, an event that was dropped for lack of room, and without which later events cannot be understood."""

    def miss(self, event: Event) -> None:
        """Note that there was no room for `event`, if later events depend on it."""
        if isinstance(event, CallEnded) or (isinstance(event, CallReported) and isinstance(event.report, HandedOver)):
            self.missed[event.call] = event

    def entry(self, event: Event, missed: Iterable[Event] = ()) -> Entry | None:
        """The entry for `event`; None if nothing of it is kept. `missed` are the events that were missed before."""
        for one in missed:
            if isinstance(one, CallEnded):
                self._going.pop(one.call, None)
            elif one.call in self._going:
                self._going[one.call].redact = _nothing  # another agent speaks now, and its policy is not known
        at = event.at.isoformat()
        if isinstance(event, CallBegan):
            going = self._going[event.call] = CallInProgress(event.identity, self._redactor(event.agent))
            return self._began(event, at, going) | {"told": "initiated"}
        going = self._going.get(event.call) or CallInProgress({}, _nothing)  # the policy of its agent is not known
        if isinstance(event, CallReported):
            kept = self._reported(event.report, at, going)
        elif isinstance(event, CallEnded):
            self._going.pop(event.call, None)
            kept = _ended(event, at, going)
            kept["told"] = "completed" if going.answered and event.ending.kind not in FAILED else "failed"
            if going.answered and self.reports(going.about.get("agent", "")):
                kept["report"] = report_entry(at)
        elif isinstance(event, CallCharged):
            kept = {"set": _costs(event.cost)}
        elif isinstance(event, MessageTaken):  # the record has the message as a tool call
            kept = {"message": {"at": at} | kept_json(_fields(event), going.redact), "told": "message"}
        else:
            kept = self._event(event, at, going)
        if kept is None:
            return None
        about = _about(event, going)
        return {"call": text(event.call, ID), **kept} | ({"about": about} if "told" in kept else {})

    def _event(self, event: Event, at: str, going: CallInProgress) -> Entry:
        own = isinstance(event, TrunkAlarm | CostAlarm)  # an alarm is the gateway's own words
        redact = str if own else going.redact
        kept: Entry = {"event": {"kind": _kind(event), "at": at, "about": kept_json(_fields(event), redact)}}
        if isinstance(event, CallerVerified):
            going.identity = going.identity | {"stir": event.stir}
            kept["set"] = {"identity": kept_json(going.identity)}
        if isinstance(event, CallAnswered):
            kept["set"], going.answered = {"answered": at}, True
        if isinstance(event, CallRinging | CallAnswered) and event.made is not None:
            going.identity = event.made
            caller = {"caller": text(event.made.get("number") or "withheld", PARTY)}
            going.about = going.about | caller | {"trunk": text(event.trunk, 64)}
            kept["set"] = kept.get("set", {}) | caller | {"identity": kept_json(going.identity)}
        if told := TOLD.get(type(event).__name__):
            kept["told"] = told
        if not own and (trunk := getattr(event, "trunk", "")):  # the trunk of an alarm may belong to another leg
            kept["set"] = kept.get("set", {}) | {"trunk": text(trunk, 64)}
        return kept

    def _began(self, event: CallBegan, at: str, going: CallInProgress) -> Entry:
        new = {
            "direction": event.direction, "trunk": text(event.trunk, 64), "agent": text(event.agent, 64),
            "caller": text(event.caller, PARTY), "called": text(event.called, PARTY), "began": at,
            "identity": kept_json(going.identity), "tenant": event.tenant,
        }  # fmt: skip
        going.about = {name: new[name] for name in ABOUT}
        return {"call": text(event.call, ID), "new": new, "about": going.about}

    def _reported(self, report: Report, at: str, going: CallInProgress) -> Entry | None:
        match report:
            case CallerSaid(words, True):
                going.caller.add(words, going.redact)
                return _turn(at, going)
            case AgentSays(words):
                going.said.add(words, going.redact)
                return _turn(at, going)
            case ToolDone(run):
                return {"tool": _tool(run, going) | {"at": at}, "told": "tool"}
            case TurnEnded(turn):
                told = {name: text(going.redact(getattr(turn, name))) for name in ("caller", "said", "heard")}
                rest = {
                    "agent": text(turn.agent, 64), "language": text(turn.language, 16),
                    "interrupted": turn.interrupted, "discarded": turn.discarded,
                    "latency_ms": kept_json(turn.times.parts_ms()), "sources": kept_json(turn.sources, going.redact),
                }  # fmt: skip
                number, going.turn = going.turn, going.turn + 1
                going.caller, going.said = GrowingText(WORDS), GrowingText(WORDS)
                kept = {"turn": {"number": number, "at": at, **told, **rest}, "told": "turn"}
                if (waited := turn.times.parts_ms().get("total", 0)) > going.slowest:
                    going.slowest = waited
                    kept["set"] = {"slowest_ms": waited}
                return kept
            case CallerSaid() | ToolStarted():
                return None
            case HandedOver(agent):
                going.redact = self._redactor(agent)
                return {"event": {"kind": _kind(report), "at": at, "about": kept_json(report._asdict(), going.redact)}}
            case Interrupted() | ProviderFailed() | LanguageChanged() | TurnDecided():
                about = kept_json(report._asdict(), going.redact)
                return {"event": {"kind": _kind(report), "at": at, "about": about}}
        return None


def is_kept(event: Event) -> bool:
    """Whether the CDR keeps something of `event`. Only the timeline keeps measurements; only pages show unfinished
    words."""
    if isinstance(event, CallReported):
        report = event.report
        return not (isinstance(report, ToolStarted) or (isinstance(report, CallerSaid) and not report.final))
    return not isinstance(event, CallMeasured)


def _nothing(_: str) -> str:
    """Remove all words, because it is not known which of them are private."""
    return ""


def _turn(at: str, going: CallInProgress) -> Entry:
    """The columns of the present turn so far."""
    return {
        "turn": {"number": going.turn, "at": at, "caller": text(going.caller.shown), "said": text(going.said.shown)}
    }


def _about(event: Event, going: CallInProgress) -> dict[str, Any]:
    """Subject of a webhook. An alarm concerns a trunk, or the day: its recipient need not know which call raised it."""
    if isinstance(event, TrunkAlarm):
        return {"trunk": text(event.trunk, 64)}
    return {} if isinstance(event, CostAlarm) else going.about


def report_entry(at: str) -> dict[str, Any]:
    """The columns of a new report that waits to be filled in, due at `at`."""
    return {"state": ReportState.WAITING.value, "next_try": at}


def ended_entry(call: str, about: dict[str, Any], ended: dict[str, Any], recording: dict[str, str] | None) -> Entry:
    """The entry for the end of an interrupted call, with the columns `ended`; `about` is read from the row of the
    call."""
    if recording:
        ended = ended | {"recording": recording["file"], "media": {"recording": recording}}
    return {"call": call, "set": ended, "told": "failed", "about": about}


def _ended(event: CallEnded, at: str, going: CallInProgress) -> Entry:
    media = kept_json(event.media)
    changed = {
        "ended": at,
        "ending": text(event.ending.kind, 64),
        "cause": text(going.redact(event.ending.cause), CAUSE),  # also a model's words: why it hung up
        "media": media if isinstance(media, dict) else {},
    }
    if isinstance(recording := event.media.get("recording"), dict):
        changed["recording"] = text(recording.get("file", ""), 1000)
    if event.ending.again is not None:
        changed["again"] = event.ending.again.isoformat()
    if event.cost is not None:
        changed |= _costs(event.cost)
    if event.replaced_by:
        changed["identity"] = kept_json(going.identity | {"replaced_by": list(event.replaced_by)})
        if going.about.get("direction") == "in":
            changed["caller"] = text(str(event.replaced_by[-1].get("number") or "withheld"), PARTY)
    return {"set": changed}


def _costs(cost: dict[str, Any]) -> dict[str, Any]:
    return {"cost": cost["total"], "costs": kept_json(cost)}


def _tool(run: ToolRun, going: CallInProgress) -> dict[str, Any]:
    return {
        "turn": going.turn,
        "name": text(run.name, PARTY),
        "arguments": kept_json(run.arguments, going.redact),
        "result": kept_json(run.result, going.redact),
        "error": text(going.redact(run.error)),
        "seconds": round(run.seconds, 4),
    }


def text(value: object, most: int = WORDS) -> str:
    """`value` as text for the spool and for webhooks: cut, and without halves of characters, which UTF-8 lacks."""
    return str(value)[:most].encode("utf-8", "replace").decode()


def kept_json(value: Any, redact: Redact = str) -> Any:
    """`value` as JSON for the spool and for webhooks; a too large value becomes the beginning of its text."""
    plain = _plain(value, redact, DEEPEST)
    written = json.dumps(plain, ensure_ascii=False)
    return plain if len(written) <= LARGEST else {"cut": written[:LARGEST]}


def _plain(value: Any, redact: Redact, levels: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return in_number(value, redact) if abs(value) < 1 << 63 else text(redact(str(value)[:PARTY]))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if levels and isinstance(value, dict):
        return {text(redact(str(key)), PARTY): _plain(item, redact, levels - 1) for key, item in value.items()}
    if levels and isinstance(value, list | tuple):
        return [_plain(item, redact, levels - 1) for item in value]
    return text(redact(str(value)))


def _kind(event: Event | Report) -> str:
    """``call_transferred`` and the like become ``transferred``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower().removeprefix("call_")[:32]


def _fields(event: Event) -> dict[str, Any]:
    return {name: value for name, value in event._asdict().items() if name not in ("call", "at")}
