"""The timeline of one call for its page. Sans-IO. Everything in it is bounded.

All times are seconds since the call began, to the millisecond.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from agent.call_languages import NAMES
from agent.records import (
    AgentSays,
    CallerSaid,
    HandedOver,
    Interrupted,
    LanguageChanged,
    ProviderFailed,
    Report,
    ToolDone,
    ToolStarted,
    Turn,
    TurnDecided,
    TurnEnded,
)
from sipgw.config.words import PARTS
from sipgw.events import (
    FAULT_WORDS,
    CallAnswered,
    CallBegan,
    CallEnded,
    CallerVerified,
    CallMeasured,
    CallReported,
    CallRinging,
    CallTransferred,
    CostAlarm,
    DocumentsUnread,
    Event,
    MessageTaken,
    PartyChanged,
    PartySaid,
    SoundWithheld,
    TrunkAlarm,
    with_caller,
)
from sipgw.records.captures.capture import SipMessages
from sipgw.records.privacy.growing import GrowingText
from sipgw.records.privacy.redaction import Redact, in_json

MODES = {
    "": "has left the call",
    "listen": "listens; nobody hears them",
    "whisper": "whispers to the agent",
    "conference": "is in the call; all hear all",
    "consult": "speaks with the agent while the caller hears music",
    "notes": "speaks with the caller; the agent writes it down",
    "take_over": "speaks with the caller in the agent's place",
}
"""Texts on the modes of `sipgw.calls.conference.Mode`, for the page of a call."""
TURNS = 1000
EVENTS = 1000
MEASURED = 1440
"""Entries of each kind at most. Beyond that turns and events are counted, and every second measurement is left out."""
TEXT = 4000
"""Characters of one utterance that are kept."""
VALUE = 2000
"""Maximum characters of a tool's arguments or result."""
MESSAGES = 400
MESSAGE = 8192
"""SIP messages at most, and the bytes of each that are shown."""
MARKS = ("caller_stopped", "final", "first_token", "first_sentence", "first_sound", "first_packet")


@dataclass
class TurnInProgress:
    """A turn in progress."""

    shown: dict[str, Any]
    """The turn in the form of an ended turn."""
    words: dict[str, GrowingText] = field(
        default_factory=lambda: {
            side: GrowingText(2 * TEXT) for side in ("caller", "said")
        }  # the redacted text may be shorter
    )

    def add(self, part: str, text: str, redact: Redact) -> None:
        """Add words of one side (`part`), without private words."""
        self.words[part].add(text, redact)
        self.shown[part] = self.words[part].shown.strip()[:TEXT]


@dataclass
class Timeline:
    """The timeline of one call. `now` and `zero` are seconds of the event loop's clock."""

    began: CallBegan
    zero: float
    stir: dict[str, Any] = field(default_factory=dict)
    """The verdict on the signed number of the caller: see `sipgw.events.CallerVerified`."""
    answered: float | None = None
    ended: CallEnded | None = None
    length: float | None = None
    version: int = 0
    """Number that grows whenever the timeline changes."""
    left_out: int = 0
    redact: Redact = str
    """Removes private words."""
    turns: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    measured: list[list[float]] = field(default_factory=list)
    going: list[TurnInProgress] = field(default_factory=list)
    """Turns in progress: the one that is answered, and the caller's next one."""

    def tell(self, event: Event, now: float) -> None:
        """Take an event of this call."""
        self.version += 1
        match event:
            case CallerVerified(stir=stir):
                self.stir = stir
                self._note(now, "verified", f"Signed number: {' '.join(map(str, stir.values()))}")
            case CallRinging(trunk=trunk, made=made):
                self.began = with_caller(self.began, trunk, made)
                self._note(now, "ringing", "It rings.")
            case CallAnswered(trunk=trunk, made=made):
                self.answered, self.began = self._at(now), with_caller(self.began, trunk, made)
                reached = (made or {}).get("reached")
                self._note(now, "answered", f"Answered{f' at {reached}' if reached else ''}: sound flows.")
            case CallMeasured(quality=quality):
                values = quality.mos, quality.loss, quality.jitter, quality.buffer, quality.remote_delay
                self.measured.append([self._at(now), *(round(value, 5) for value in values)])
                if len(self.measured) > MEASURED:
                    del self.measured[1::2]
            case CallReported(report=report):
                self._reported(report, now)
            case CallTransferred(to=to, accepted=accepted, status=status, reason=reason):
                done = "connected" if accepted else "not connected"
                self._note(now, "transfer", self.redact(f"Transfer to {to}: {done}, {status} {reason}".strip()))
            case (
                PartyChanged() | PartySaid() | MessageTaken() | TrunkAlarm() | CostAlarm() | DocumentsUnread()
                | SoundWithheld()
            ):  # fmt: skip
                self._note(now, *self._told(event))
            case CallEnded(cost=cost):
                if cost and cost["unpriced"]:
                    missing = ", ".join(cost["unpriced"])
                    self._note(
                        now, "cost", f"It cost {cost['total']:.4f}, at most {cost['most']:.4f}: no price of {missing}"
                    )
                self.ended, self.length = event, self._at(now)
                self.going.clear()
                self._note(now, "ended", f"{event.ending.kind}: {self.redact(event.ending.cause)}")

    def _told(
        self, event: PartyChanged | PartySaid | MessageTaken | TrunkAlarm | CostAlarm | DocumentsUnread | SoundWithheld
    ) -> tuple[str, str]:
        """The kind of an event, and its text."""
        match event:
            case PartyChanged(party=party, place=place, mode=mode):
                return "party", f"{party} ({place}): {MODES.get(mode, mode)}"
            case PartySaid(party=party, words=words, to=to, told=told):
                room = "" if told else " (not told: it has as many notes as it can keep)"
                return "party", f"{party}, to the {to}{room}: {self.redact(words)}"
            case MessageTaken():
                return "message", "The agent has taken a message."
            case TrunkAlarm(trunk=trunk, fault=fault, bad=bad, calls=calls, raised=raised):
                share = f"{bad} of the latest {calls} calls of the trunk {trunk} {FAULT_WORDS[fault]}."
                return "alarm", f"{'Alarm' if raised else 'Alarm over'}: {share}"
            case CostAlarm(cost=cost, limit=limit, currency=currency):
                return "alarm", f"Alarm: today's calls have cost {cost:.2f} {currency}; it is set to {limit:.2f}."
            case DocumentsUnread(files=files):
                return "documents", f"{files} documents of the agent are not read yet."
            case SoundWithheld():
                return "private", "Something private was said: captured packets are given out without sound."

    def as_dict(self, sip: SipMessages | None) -> dict[str, Any]:
        """The timeline as a dict for JSON."""
        began, ended = self.began, self.ended
        return {
            "call": began.call,
            "began": began.at.isoformat(),
            "direction": began.direction,
            "trunk": began.trunk,
            "agent": began.agent,
            "tenant": began.tenant,
            "caller": began.caller[:TEXT],
            "called": began.called[:TEXT],
            "name": str(began.identity.get("name") or "")[:TEXT],
            "stir": self.stir,
            "answered": self.answered,
            "ended": self.length,
            "ending": {"kind": ended.ending.kind, "cause": self.redact(ended.ending.cause)[:TEXT]} if ended else None,
            "media": _media(ended.media) if ended else {},
            "turns": self.turns,
            "going": [turn.shown for turn in self.going],
            "events": self.events,
            "quality": self.measured,
            "sip": sip_as_dict(sip, self.zero),
            "left_out": self.left_out,
        }

    def _turn_event(self, report: Interrupted | TurnDecided, now: float) -> None:
        if isinstance(report, TurnDecided):
            self._note(now, "turn", self.redact(report.evidence))
        else:
            self._note(now, "interrupted", "The caller talked over the agent.")

    def _reported(self, report: Report, now: float) -> None:
        match report:
            case CallerSaid(text, final):
                if final:
                    self._going(now, "caller", text, -1)
            case AgentSays(text):
                self._going(now, "said", text, 0)
            case TurnEnded(turn):
                if self.going and (turn.caller or self.going[0].shown["said"]):
                    del self.going[0]
                marks = [getattr(turn.times, name) for name in MARKS]
                said = turn.as_dict()
                said["tools"] = [_bounded(in_json(run, self.redact)) for run in said["tools"][:50]]
                said["sources"] = [_bounded(in_json(one, self.redact)) for one in said["sources"][:50]]
                said |= {name: self.redact(said[name])[:TEXT] for name in ("caller", "said", "heard")}
                said |= {"t": self._at(now), "marks": [None if mark is None else self._at(mark) for mark in marks]}
                self._keep(self.turns, TURNS, said)
            case Interrupted() | TurnDecided():
                self._turn_event(report, now)
            case ToolStarted(name, _):
                self._note(now, "tool", f"{name} is run.")
            case ToolDone(run):
                told = f"failed: {self.redact(run.error)}" if run.error else "returned"
                self._note(now, "tool", f"{run.name} {told} after {run.seconds:.2f} s.")
            case ProviderFailed(part, cause):
                self._note(now, "failure", f"{PARTS[part]} failed: {self.redact(cause)}")
            case LanguageChanged(language, why):
                self._note(now, "language", f"The agent speaks {NAMES.get(language, language)} now ({why}).")
            case HandedOver(agent, before, reason):
                self._note(now, "hand_over", f"{before} handed over to {agent}: {self.redact(reason)}")

    def _going(self, now: float, part: str, text: str, which: int) -> None:
        """Add words to a turn in progress. The agent's words belong to the first; later words of the caller belong to
        the next one, which begins when the first has ended."""
        if not self.going or (part == "caller" and self.going[which].shown["said"]):
            times = {"t": self._at(now), "marks": [None] * len(MARKS), "latency_ms": {}}
            self.going.append(TurnInProgress(changed(asdict(Turn()), str) | times))
        self.going[which].add(part, text, self.redact)

    def _note(self, now: float, kind: str, text: str) -> None:
        self._keep(self.events, EVENTS, {"t": self._at(now), "kind": kind, "text": text[:TEXT]})

    def _keep(self, entries: list[dict[str, Any]], most: int, entry: dict[str, Any]) -> None:
        if len(entries) >= most:
            del entries[most // 2]  # the beginning and the end are the most useful
            self.left_out += 1
        entries.append(entry)

    def _at(self, now: float) -> float:
        return round(now - self.zero, 3)


def sip_as_dict(sip: SipMessages | None, zero: float) -> dict[str, Any]:
    """The SIP messages of a call; `zero` is the moment from which their times count."""
    messages = sip.messages if sip else []
    skipped = max(0, len(messages) - MESSAGES)
    kept = messages[: MESSAGES // 2] + messages[-MESSAGES // 2 :] if skipped else messages
    shown = []
    for message in kept:
        text = message.data[:MESSAGE].decode("utf-8", "replace")
        peer = f"{message.peer.host}:{message.peer.port}"
        shown.append(
            {
                "t": round(message.at - zero, 3),
                "out": message.direction == "out",
                "peer": peer,
                "transport": message.peer.transport,
                "start": text.partition("\r\n")[0][:200],
                "text": text,
            }
        )
    return {"messages": shown, "left_out": skipped + (sip.left_out if sip else 0)}


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: changed(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [changed(inner, change) for inner in value]
    return value


def _media(values: Mapping[str, Any]) -> dict[str, Any]:
    return _bounded(values) | ({"legs": [_bounded(leg) for leg in values["legs"]]} if "legs" in values else {})


def _bounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with long texts and values cut."""
    return {name: value if len(str(value)) <= VALUE else f"{str(value)[:VALUE]}…" for name, value in values.items()}
