"""One call, from its beginning to its end, over any connection: a SIP trunk, a phone, or a browser.

Begin → place on a trunk (calls out) → ports, providers → the other side answers → conversation → transfer or hang-up.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import structlog

from agent.call_control import CallControl, CallControlRefused
from agent.errors import internal
from agent.records import Outcome
from media.process import channel as media
from sipgw.calls.agent_setup import AgentSetup
from sipgw.calls.budget import within_budget
from sipgw.calls.caller_verification import CallerVerification
from sipgw.calls.conference import Conference, Mode
from sipgw.calls.context import CallContext
from sipgw.calls.info import CallInfo, SessionEvent, SessionState
from sipgw.calls.services import CallServices
from sipgw.calls.talk import NOT_HUMAN, Talk
from sipgw.calls.transfer_legs import Consult, TransferLegs
from sipgw.calls.transfers import Transfers, closing
from sipgw.events import CallBegan, CallEnded, CallerVerified, Disposition, MediaAddress
from sipgw.policy.cost.cost import Bill
from sipgw.policy.inbound.limits import Caller, Declined
from sipgw.records.artifacts.consent import wanted
from sipgw.records.artifacts.recordings import CallRecording
from sipgw.sip.leg import Leg

log = structlog.get_logger()

STOPPED = Disposition("gateway_stopped", "the gateway was stopped")
RETRY_AFTER = (("Retry-After", "5"),)
SPENT_RETRY = 60
"""Seconds in the Retry-After of a 503 to a caller whom the limits refuse; a carrier tries its next destination."""
Headers = tuple[tuple[str, str], ...]
Row = dict[str, Any]
T = TypeVar("T")


class CallConnection(Protocol):
    """The connection to the other side of one call: `SipConnection`, `DialedConnection` or `BrowserConnection`."""

    gone: Disposition | None
    """The ending, if the other side has ended the call."""

    @property
    def leg(self) -> Leg | None:
        """The SIP leg; None if there is none."""

    @property
    def address(self) -> str:
        """Our address for sound, as the other side knows it."""

    async def resolve(self) -> bool:
        """Look up the host names in the other side's offer. Returns whether the other side is still there."""

    async def begin(self) -> Disposition | None:
        """Tell the other side that it rings here, or take a place on a trunk for an outgoing call. Returns the ending
        if there is no place."""

    def refuse(self, status: int, headers: Headers = ()) -> None:
        """Refuse the call with a SIP status."""

    def prepare(self, channel: media.Channel) -> Disposition | None:
        """Negotiate media at `channel` as far as possible before the answer; returns the reason of a failure."""

    async def connect(self, opening: asyncio.Task[None]) -> Disposition | None:
        """Answer, or wait for the answer, while `opening` prepares the conversation. Returns the ending if it fails."""

    async def over(self, limit: float) -> None:
        """Wait `limit` seconds for the other side to hang up."""

    def hang_up(self) -> None:
        """End the call on this connection."""

    async def close(self) -> None:
        """Close and free everything; safe to call at any time."""


class CallSession:
    """One call. The gateway runs `accept` or `originate` in a task; operators and pages use the rest meanwhile."""

    def __init__(self, info: CallInfo, services: CallServices) -> None:
        """`services` are a snapshot for this call alone."""
        self.info = info
        self.services = services
        self.context = CallContext(info, services.watchers)
        self.setup = AgentSetup(services, self.context)
        legs = TransferLegs(services, self.context, self.setup)
        self.transfers = Transfers(services.engine, self.context, legs, self._spawn)
        self.conference = Conference(self.context, self.transfers)
        self._verification = CallerVerification(services, self.context)
        self.stats: dict[str, Any] = {}
        """Counts and quality of the sound, set at the end of the call."""
        self.connection: CallConnection | None = None
        self._counted: Caller | None = None
        """The caller while the limits count the call; else None."""
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def accept(self, connection: CallConnection, caller: Caller | None = None) -> Disposition:
        """Run an incoming call; raises only when it is cancelled. The limits apply to `caller`, if there is one."""
        return await self._bounded(connection, self._accept(connection, caller))

    async def originate(self, connection: CallConnection) -> Disposition:
        """Make a call and run it; raises only when it is cancelled."""
        return await self._bounded(connection, self._originate(connection))

    async def _bounded(self, connection: CallConnection, work: Coroutine[Any, Any, Disposition]) -> Disposition:
        """The error boundary of a call: an error is logged here, and affects no other call."""
        self.connection = connection
        disposition = STOPPED
        try:
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(self._uncount)
                stack.push_async_callback(self.services.tenants.over, self.info.id)
                stack.callback(self._end_recording)
                stack.callback(lambda: self._end(disposition))
                stack.push_async_callback(connection.close)
                try:
                    async with self._verification:
                        disposition = await work
                except Exception as error:
                    log.exception("call failed")
                    disposition = Disposition("failed", internal(error))
                finally:
                    disposition = self.context.stopped or disposition
        except Exception:  # the same boundary, for the work at the end
            log.exception("work at the end of a call failed")
        return disposition

    async def _accept(self, connection: CallConnection, caller: Caller | None) -> Disposition:
        limits = self.services.limits
        if not await connection.resolve():
            return STOPPED
        if (declined := await self._verification.judge(connection.leg)) is not None:
            return await self._turn_away(connection, declined)
        if caller is not None and (declined := await limits.admit(caller, self.info.id, self.info.trunk)) is not None:
            return await self._turn_away(connection, declined)
        self._counted = caller
        if (declined := await self.services.admit(self.info.id, self.info.tenant)) is not None:
            return await self._turn_away(connection, declined)
        self._begin()
        self._verification.begin(connection.leg)
        return await within_budget(self, self._hold(connection))

    async def _originate(self, connection: CallConnection) -> Disposition:
        try:
            declined = await self.services.admit(self.info.id, self.info.tenant)
        finally:
            self._begin()  # also if somebody stops it meanwhile
        if declined is not None:
            return Disposition("not_placed", declined.reason)
        disposition = await within_budget(self, self._hold(connection))
        if disposition.kind in ("caller_hung_up", "answered_elsewhere"):
            return Disposition("callee_hung_up", disposition.cause)
        return disposition

    async def _turn_away(self, connection: CallConnection, declined: Declined) -> Disposition:
        """Answer a call that the limits refuse: with a status, or with one sentence."""
        log.info("call turned away", rule=declined.rule, reason=declined.reason, status=declined.status)
        options = self.services.agents.config.limits
        self._begin()
        if declined.answer != "spoken":
            headers = (("Retry-After", f"{SPENT_RETRY}"),) if declined.status == 503 else ()
            connection.refuse(declined.status, headers)
            return Disposition("refused", declined.reason)
        off = self.context.call_recording.consent == "off"
        self.context.call_recording = CallRecording("", "off" if off else "key")  # no consent, so nothing is kept
        # No budget: a spent budget of the day must not cut off the sentence.
        return await self._hold(connection, self.setup.announcement(options.sentence, declined.reason))

    def _begin(self) -> None:
        """Begin the bill and the recording, and send `CallBegan`."""
        info, services = self.info, self.services
        structlog.contextvars.bind_contextvars(call=info.id)
        bill = Bill(services.expenses.prices, info.direction, info.other, info.began, tenant=info.tenant)
        self.context.bill = services.expenses.open(info.id, bill)
        self.context.advance(SessionEvent.BEGIN)
        self.context.tell(
            CallBegan(
                info.id, info.began, info.direction, info.trunk.name, info.agent, info.caller, info.identity.dialled,
                info.identity.as_dict(), info.call_id, info.tenant,
            )
        )  # fmt: skip
        if info.identity.stir is not None:  # a rule asked for the verdict
            self.context.tell(CallerVerified(info.id, datetime.now(UTC), info.identity.as_dict()["stir"]))
        call_ids = dict(info.identity.call_ids)
        log.info("call began", trunk=info.trunk.name, agent=info.agent, direction=info.direction, carrier=call_ids)
        options, policy = services.agents.all[info.agent].config.recording, services.agents.privacy(info.agent)
        self.context.call_recording = CallRecording(
            options.path(info.id, info.began, info.trunk.name, info.caller),
            wanted(options, info.identity, outbound=info.direction == "out"),
            info.id,
            redact=policy.covers,
            artifacts=services.artifacts,
        )

    def _end(self, disposition: Disposition) -> None:
        """Tell `CallEnded`, if `CallBegan` was told."""
        began = self.context.state is not SessionState.NEW
        self.context.advance(SessionEvent.END)
        if not began:
            return
        info, ended = self.info, datetime.now(UTC)
        seconds = (ended - info.began).total_seconds()
        log.info("call ended", ending=disposition.kind, cause=disposition.cause, seconds=seconds)
        cost = self.services.expenses.close(info.id)
        legs = {"legs": self.transfers.sound} if self.transfers.sound else {}
        sound = self.stats | legs | self.context.call_recording.as_dict()
        told = cost.as_dict() if cost else None
        self.context.tell(CallEnded(info.id, ended, disposition, sound, tuple(info.replaced_by), told))

    def _end_recording(self) -> None:
        self.context.call_recording.end()  # read only now, because `_begin` replaces `call_recording`

    async def _uncount(self) -> None:
        if self._counted is not None:
            await self.services.limits.over(self._counted, self.info.id)

    def too_dear(self) -> str:
        """Why the call must not go on; empty if it may."""
        most, bill = self.services.agents.all[self.info.agent].config.cost.per_call, self.context.bill
        if bill is not None and most and (taken := bill.cost(datetime.now(UTC)).most) >= most:
            return f"the call has cost {taken:.2f} of {most:.2f} ([cost] per_call)"
        over = self.services.budget(self.info.tenant)
        return over.reason if over else ""

    def all_hear(self) -> None:
        """Let the caller hear a goodbye: end the mode in which agent and third speak alone."""
        if (third := self.conference.third) is not None and third.mode is Mode.CONSULT:
            with contextlib.suppress(CallControlRefused):  # the call ends
                self.conference.change(Mode.CONFERENCE)

    async def _hold(self, connection: CallConnection, talk: Talk | None = None) -> Disposition:
        """Open a channel and a conversation, wait for the other side, and talk."""
        await self.services.appended()  # a call that rings, or costs money, is on record
        if (refused := await connection.begin()) is not None:
            return refused
        try:
            channel = await self.services.engine.open(self.context.on_media, ipv6=":" in connection.address)
        except (media.PortsExhausted, media.MediaDown) as error:
            connection.refuse(503, RETRY_AFTER)
            return Disposition("failed" if self.info.direction == "out" else "refused", str(error))
        with closing(channel), self.context.call_recording.attached(channel):
            self.context.line.attach(channel)
            if (refused := connection.prepare(channel)) is not None:
                return refused
            talk = talk or self.converse()
            try:
                async with self._group:
                    opening = self._spawn(talk.open())
                    disposition = await connection.connect(opening)
                    if disposition is None:
                        await opening
                        disposition = await self._talk(connection, channel, talk)
                    for task in self._tasks:
                        task.cancel()
                return disposition
            finally:
                await talk.close()

    def converse(self) -> Talk:
        """The conversation of the agent."""
        targets = self.transfers.legs.targets
        return self.setup.talk(self.connect if targets else None, targets.names if targets else {})

    async def _talk(self, connection: CallConnection, channel: media.Channel, talk: Talk) -> Disposition:
        self.context.answered(MediaAddress(channel.number, connection.address, channel.port))
        if self.context.conversation is not None:  # an announcement is not recorded
            self.context.call_recording.begin()
        try:
            outcome = await talk.run()
            self.conference.outlast(outcome)
            spoke = await self.transfers.last()
            self.context.advance(SessionEvent.FINISH)
            return await self._disposition(connection, outcome, spoke)
        finally:  # in every case the sound is in the record; all sides are told first that the call is over
            connection.hang_up()
            await self.transfers.close()
            await self.conference.close()
            with contextlib.suppress(media.MediaDown):
                self.stats = await channel.stats()

    async def _disposition(self, connection: CallConnection, outcome: Outcome, spoke: str) -> Disposition:
        """The ending of the call; `spoke` is the duration of the bridge with a person."""
        target, told = self.transfers.target, self.transfers.told(spoke)
        if target and self.transfers.moved(spoke):
            if target.await_bye and not spoke:
                await connection.over(target.await_bye)
            done = self.transfers.outcome
            return Disposition("transferred" if done and done.proven else "transfer_unproven", told)
        if connection.gone is not None and outcome.kind not in NOT_HUMAN:
            return connection.gone
        if outcome.kind == "failed" and told:
            return Disposition("transfer_failed", f"{outcome.text}; {told}")
        return Disposition(outcome.kind, outcome.text)

    async def connect(self, to: str = "") -> bool:
        """Transfer the caller to a person; returns whether that succeeded. A third in the call is hung up."""
        if self.conference.third is not None:
            with contextlib.suppress(CallControlRefused):  # the call ends
                self.conference.leave()
        return self.connection is not None and await self.transfers.connect(self.connection.leg, to)

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # For operators and pages

    @property
    def call_control(self) -> CallControl:
        """The live control of the conversation. Raises `CallControlRefused` before the call is answered."""
        return self.context.call_control

    @property
    def instead(self) -> str:
        """The person who speaks with the caller in the agent's place; empty if nobody does."""
        return self.transfers.instead

    def listen(self) -> AbstractContextManager[AsyncIterator[bytes]]:
        """The sound from now on, see `Listeners.listen`.

        Raises `CallControlRefused` before the call is answered, `TooManyListeners`.
        """
        self._up()
        return self.context.line.listeners.listen()

    async def join(self, name: str, mode: Mode, consult: Consult | None = None, *, brief: bool = False) -> bool:
        """Call a third, one of ``[[people]]`` or ``[[accounts]]``; the agent goes on talking until the third answers.

        Returns whether they joined. See `sipgw.calls.conference.Conference.join`. Raises `CallControlRefused`.
        """
        return await self.conference.join(self._up().leg, name, mode, consult, brief=brief)

    async def take_over(self, name: str, consult: Consult | None = None) -> bool:
        """Call a third who takes the agent's place when they answer: see `join`.

        The agent hears nothing while the third speaks with the caller, and goes on after `give_back`.
        """
        return await self.join(name, Mode.TAKE_OVER, consult)

    def change_mode(self, mode: Mode) -> None:
        """Change who hears whom while a third is in the call. Raises `CallControlRefused` if there is none."""
        self._up()
        self.conference.change(mode)

    def give_back(self, note: str = "") -> None:
        """Hang up the third; the agent goes on alone, and is told `note`. Raises `CallControlRefused`."""
        self._up()
        self.conference.leave(note)

    async def media_stats(self) -> dict[str, Any]:
        """Counts and quality of the sound until now; nothing before there is any, or if the media process is silent."""
        with contextlib.suppress(media.MediaDown):
            return self.stats or await self.context.line.stats()
        return {}

    def row(self) -> Row:
        """The call as the board shows it."""
        info, cost, conversation = self.info, self.context.cost, self.context.conversation
        third, instead = self.conference.third, self.instead
        turn = conversation.call_control.state.value if conversation and info.answered else ""
        if third is not None:
            turn = f"with {third.name}" if instead else f"{turn}; {third.name}: {third.mode.value}"
        elif instead:
            turn = f"with {instead}"
        return {
            "state": "talking" if info.answered else "ringing",
            "direction": info.direction,
            "caller": info.caller,
            "called": info.identity.dialled,
            "agent": info.agent,
            "trunk": info.trunk.name,
            "turn": turn,
            "instead": instead,
            "third": third.name if third else "",
            "mode": third.mode.value if third else "",
            "mos": round(self.context.line.mos, 1) or None,
            "cost": round(cost.total, 4) if cost else None,
            "estimated": bool(cost and cost.estimated),
            "began": info.since,
        }

    def _up(self) -> CallConnection:
        """The connection of an answered call. Raises `CallControlRefused`."""
        if self.connection is None or self.info.answered is None:
            raise CallControlRefused("the call is not answered yet")
        return self.connection
