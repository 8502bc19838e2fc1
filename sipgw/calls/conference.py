"""A third in the call beside caller and agent: a supervisor, or a colleague, on a phone or on a page.

There is one at most (`media.session.mixer.PARTIES`). The mode says who hears whom; it can be changed at any time.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import NamedTuple

import structlog

from agent.call_control import CallControlRefused
from agent.line import Audio, Away, Digit, LineEvent
from agent.records import Outcome
from media.session.routing import AGENT_SPEAKS, Route
from sipgw.calls.consult_leg import ConsultLeg
from sipgw.calls.context import CallContext
from sipgw.calls.info import UP, SessionEvent
from sipgw.calls.scribe import Scribe
from sipgw.calls.transfer_legs import Consult
from sipgw.calls.transfer_targets import TransferTarget
from sipgw.calls.transfers import DASHBOARD, Transfers, TransferState
from sipgw.events import OTHER_SIDE, PartyChanged, PartySaid
from sipgw.sip.events import Referred
from sipgw.sip.leg import Leg

log = structlog.get_logger()

NOTED = 4000
"""Characters that the agent is told of the words said while it was silent: the last ones."""


class Mode(Enum):
    """Routes of sound while a third is in the call."""

    LISTEN = "listen"
    """The third hears caller and agent, and nobody hears them."""
    WHISPER = "whisper"
    """Like LISTEN. What the third says is also written down and told to the agent as a note of its supervisor."""
    CONFERENCE = "conference"
    """Caller, agent and third hear each other."""
    CONSULT = "consult"
    """Agent and third hear each other; the caller hears music."""
    NOTES = "notes"
    """Caller and third hear each other. The agent is silent, and is told afterwards what they said."""
    TAKE_OVER = "take_over"
    """Caller and third hear each other. The agent is silent and hears nothing."""


class Rules(NamedTuple):
    """The rules of a mode."""

    routes: Route
    note: str = ""
    """Note for the agent when the mode begins; ``{who}`` stands for the name of the third."""


_R = Route
_AGENT_AND_CALLER = _R.AGENT_TO_CALLER | _R.CALLER_TO_AGENT
_HEARS_ALL = _R.CALLER_TO_THIRD | _R.AGENT_TO_THIRD
_CALLER_AND_THIRD = _R.CALLER_TO_THIRD | _R.THIRD_TO_CALLER

_SPEAKS = _R.THIRD_TO_CALLER | _R.THIRD_TO_AGENT | _R.THIRD_APART

MODES: dict[Mode, Rules] = {
    Mode.LISTEN: Rules(_AGENT_AND_CALLER | _HEARS_ALL | _R.COVERT),
    Mode.WHISPER: Rules(_AGENT_AND_CALLER | _HEARS_ALL | _R.COVERT | _R.THIRD_APART),
    Mode.CONFERENCE: Rules(
        _AGENT_AND_CALLER | _HEARS_ALL | _R.THIRD_TO_CALLER | _R.THIRD_TO_AGENT,
        "{who}, a colleague, is in the call now. You hear them and the caller on the same line, and both hear you. "
        "If you hang up, they and the caller speak on without you.",
    ),
    Mode.CONSULT: Rules(
        _R.AGENT_TO_THIRD | _R.THIRD_TO_AGENT,
        "The caller waits now and hears music. You speak with {who}, a colleague, alone: they hear you, and whatever "
        "you hear is theirs. If you hang up, they and the caller speak on without you.",
    ),
    Mode.NOTES: Rules(_CALLER_AND_THIRD | _R.CALLER_TO_AGENT | _R.THIRD_APART),
    Mode.TAKE_OVER: Rules(_CALLER_AND_THIRD),
}
KEYS = {"4": Mode.LISTEN, "5": Mode.WHISPER, "6": Mode.CONFERENCE}
"""Keys by which a third who came to listen or whisper changes the mode: those of Asterisk's ChanSpy(d)."""
COVERT = (Mode.LISTEN, Mode.WHISPER)
AGENT_ALONE = ("agent_hung_up", "silence", "max_duration", "failed")
"""Endings of the conversation that are the agent's own: neither the caller nor the owner of the gateway wants to end
the call."""
BACK = "The caller is there again."
LEFT = "{who} has left the call; the caller is alone with you."
GIVEN_BACK = "A colleague has just spoken with the caller in your place and has given the call back to you."


def silent(mode: Mode | None) -> bool:
    """Whether nobody hears the agent in this mode."""
    return mode is not None and not MODES[mode].routes & AGENT_SPEAKS


def _deaf(ulaw: bytes) -> None:
    """Take sound of the third in a mode that does not write it down; does nothing."""


@dataclass
class Third:
    """The third person in a call: see `Conference`."""

    person: ConsultLeg
    target: TransferTarget
    mode: Mode
    supervises: bool
    """Whether keys of the third's phone change the mode."""
    stack: contextlib.AsyncExitStack
    """Hangs up the third when it is closed."""
    scribes: list[asyncio.Task[None]]
    """Tasks that write down the words in this mode."""
    hear: Callable[[bytes], None]
    """Takes the third's sound, in modes that write down the words."""
    held: bool = False
    """Whether the third has put the call on hold: the PBX may play music meanwhile."""
    noted: str = ""
    """Words that were said while the agent was silent."""

    @property
    def name(self) -> str:
        """The name of the third, as it is shown to people."""
        return self.target.name or str(self.target.uri)

    @property
    def routes(self) -> Route:
        """Present routes of sound. If the third holds the call, a caller who is alone with them hears music."""
        routes = MODES[self.mode].routes
        return routes if silent(self.mode) or not self.held else routes & ~_SPEAKS


class Conference:
    """The third of one call. The third's leg is counted like that of a transfer: see `sipgw.calls.transfers`."""

    def __init__(self, context: CallContext, transfers: Transfers) -> None:
        self.third: Third | None = None
        self.outcome: Referred | None = None
        """How the last try to reach a third ended."""
        self._context = context
        self._transfers = transfers

    async def join(
        self, leg: Leg | None, name: str, mode: Mode, consult: Consult | None = None, *, brief: bool = False
    ) -> bool:
        """Call a third, who is in the call in `mode` once they answer; until then the agent goes on talking.

        Returns whether they joined; if not, see `outcome`. `consult` reaches an operator on a page, who is not called.
        With `brief`, a person whose mode is ``warm`` is briefed first, and may decline. Raises `CallControlRefused` if
        nobody has that name, or if the call has a third or is being transferred.
        """
        transfers = self._transfers
        target = TransferTarget(DASHBOARD, "bridge", name=name) if consult else transfers.legs.operator(name)
        if target is None:
            raise CallControlRefused(f"{name!r} is neither in [[people]] nor in [[accounts]]")
        if not transfers.possible or not transfers.is_up:
            raise CallControlRefused("another person is already in this call, or is being called")
        mode_of_leg = target.mode if brief and target.mode == "warm" else "bridge"
        target = replace(target, mode=mode_of_leg, by_refer=False)
        joining = transfers.spawn(self._join(leg, target, mode, consult))
        await asyncio.wait({joining})
        return not joining.cancelled() and joining.result()

    async def _join(self, leg: Leg | None, target: TransferTarget, mode: Mode, consult: Consult | None) -> bool:
        transfers = self._transfers
        if not transfers.possible:
            return False
        transfers.advance(TransferState.CALLING)

        def enter(person: ConsultLeg, stack: contextlib.AsyncExitStack) -> None:
            transfers.advance(TransferState.SHARED)
            self.third = third = Third(person, target, mode, mode in COVERT, stack, [], _deaf)
            following = transfers.spawn(self._follow(third))
            stack.callback(following.cancel)
            self._begin(third, None)

        try:
            self.outcome = await transfers.reach(leg, target, consult, enter)
        finally:
            if transfers.state is TransferState.CALLING:
                transfers.advance(TransferState.FREE)
        log.info("third", who=target.called, mode=mode.value, joined=self.outcome.accepted, reason=self.outcome.reason)
        if mode is Mode.TAKE_OVER:
            transfers.tell(target, self.outcome)
        return self.outcome.accepted

    def change(self, mode: Mode) -> None:
        """Change who hears whom. Raises `CallControlRefused` if there is no third, or the call ends."""
        third = self._there()
        if third.mode is mode:
            return
        before, third.mode = third.mode, mode
        self._begin(third, before)

    def outlast(self, outcome: Outcome) -> None:
        """The agent's conversation has ended: a third who speaks in the call goes on with the caller, if it ended on
        the agent's side. They stay joined until one of them hangs up. Who only listens does not hold the call.
        """
        third = self.third
        if third is None or third.mode in COVERT or outcome.kind not in AGENT_ALONE:
            return
        with contextlib.suppress(CallControlRefused):  # the call ends
            self.change(Mode.TAKE_OVER)
            self._transfers.advance(TransferState.JOINED)
            log.info("the third goes on with the caller", who=third.target.called, ending=outcome.kind)

    def _there(self) -> Third:
        if self.third is None:
            raise CallControlRefused("nobody has joined this call")
        if not self._transfers.taken:
            raise CallControlRefused("the agent has left this call")
        if self._context.state not in UP or self._context.line.gone.is_set():
            raise CallControlRefused("the call is ending")
        return self.third

    def _begin(self, third: Third, before: Mode | None) -> None:
        """Apply `third.mode`: sound, words and notes. `before` is the mode before; None if the third has just come."""
        mode, rules = third.mode, MODES[third.mode]
        self._stop_writing(third)
        self._route(third)
        self._replace_agent(third if silent(mode) else None, before)
        if mode is Mode.WHISPER:
            third.hear = self._write(third, lambda words: self._whispered(third, words)).hear
        elif mode is Mode.NOTES:
            third.hear = self._write(third, lambda words: self._note(third, third.name, words)).hear
            self._context.scribe = self._write(third, lambda words: self._note(third, OTHER_SIDE, words))
        self._tell(third, mode.value)
        if rules.note:
            self._instruct(rules.note.format(who=third.name))
        elif before is Mode.CONSULT and not silent(mode):
            self._instruct(BACK)
        if silent(before) and not silent(mode):
            self._give_back(third)
        elif before is Mode.CONFERENCE and mode in COVERT:
            self._instruct(LEFT.format(who=third.name))

    def _route(self, third: Third) -> None:
        music = self._transfers.legs.music if third.mode is Mode.CONSULT else b""
        self._context.line.confer(third.person.line, third.routes, music)

    def _replace_agent(self, third: Third | None, before: Mode | None) -> None:
        """Note that `third` speaks with the caller in the agent's place; None if the agent speaks with the caller."""
        self._transfers.stand_in(third.person if third else None, third.target if third else None)
        if (third is not None) is not silent(before):
            self._context.advance(SessionEvent.JOIN if third else SessionEvent.PART)

    def leave(self, note: str = "") -> None:
        """Hang up the third; the agent goes on. It is told `note`, or without a note what happened meanwhile.

        Raises `CallControlRefused` if there is no third, or the call ends.
        """
        third = self._there()
        self._remove(third)
        self._replace_agent(None, third.mode)
        self._transfers.advance(TransferState.FREE)
        self._context.line.resume_agent()
        self._transfers.spawn(third.stack.aclose())
        if note:
            self._instruct(note)
        elif silent(third.mode):
            self._give_back(third)
        elif third.mode not in COVERT:
            self._instruct(LEFT.format(who=third.name))

    def _remove(self, third: Third) -> None:
        self.third = None
        self._stop_writing(third)
        self._tell(third, "")

    async def _follow(self, third: Third) -> None:
        """Follow what the third says and presses, until they are gone."""
        await third.person.line.listen(partial(self._take, third))
        if self.third is not third or not self._transfers.taken:
            return
        if third.mode is Mode.TAKE_OVER and not third.person.returns:
            self._context.line.end(f"{third.target.called} hung up")
            return
        with contextlib.suppress(CallControlRefused):  # the call ends already
            self.leave()

    def _take(self, third: Third, event: LineEvent) -> None:
        match event:
            case Audio(ulaw):
                third.hear(ulaw)
            case Away(away) if self.third is third:
                third.held = away
                self._route(third)
            case Digit(key) if third.supervises and not silent(third.mode) and key in KEYS:
                with contextlib.suppress(CallControlRefused):  # the call ends
                    self.change(KEYS[key])

    async def close(self) -> None:
        """The call is over: hang up the third."""
        if (third := self.third) is not None:
            self._remove(third)
            await third.stack.aclose()

    # What is written down

    def _write(self, third: Third, tell: Callable[[str], None]) -> Scribe:
        scribe = Scribe(self._transfers.legs.setup.stt, tell)
        third.scribes.append(self._transfers.spawn(scribe.run()))
        return scribe

    def _stop_writing(self, third: Third) -> None:
        for task in third.scribes:
            task.cancel()
        third.scribes.clear()
        third.hear, self._context.scribe = _deaf, None

    def _whispered(self, third: Third, words: str) -> None:
        told = self._instruct(words)
        if not told:
            log.warning("the agent did not get the whispered words: it has as many notes as it can keep")
        self._context.tell(PartySaid(self._context.info.id, datetime.now(UTC), third.name, words, "agent", told))

    def _note(self, third: Third, who: str, words: str) -> None:
        third.noted = f"{third.noted}\n{who}: {words}"[-NOTED:]
        self._context.tell(PartySaid(self._context.info.id, datetime.now(UTC), who, words, "caller"))

    def _give_back(self, third: Third) -> None:
        """Tell the agent what was said while it was silent: as a report, because callers must not instruct it."""
        if not third.noted:
            self._instruct(GIVEN_BACK)
            return
        with contextlib.suppress(CallControlRefused):  # the call ends, or there is no room for a note
            self._context.call_control.report(third.noted)
            third.noted = ""

    def _instruct(self, note: str) -> bool:
        try:
            self._context.call_control.instruct(note)
        except CallControlRefused:  # the call ends, or there is no room for a note
            return False
        return True

    def _tell(self, third: Third, mode: str) -> None:
        """Report for the record in which `mode` the third is; empty: the third has left."""
        there = "" if third.person.leg else "a page of the dashboard"
        place = there or str(third.target.uri)
        self._context.tell(PartyChanged(self._context.info.id, datetime.now(UTC), third.name, place, mode))
