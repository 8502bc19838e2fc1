"""One call from a browser: what `sipgw.calls.call` is for SIP, with ICE and DTLS in place of a dialog.

Offer → ports and providers are opened while the browser connects → conversation → transfer or the end → record.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import structlog

from agent.records import Outcome
from media.browsers.transport import HUNG_UP, BrowserTransport, PathFailed
from media.process import channel as media
from media.process.engine import MediaEngine
from sipgw.calls.audience import Audience
from sipgw.calls.call import Host, Talk, sorting
from sipgw.calls.phone_line import PhoneLine
from sipgw.events import Ending, Sound
from sipgw.records.recordings import Tape
from sipgw.sip.jsep import BrowserOffer
from sipgw.sip.offer_answer import Negotiated
from sipgw.transfer.transfer import Summon, Transfers, Ways, closing

log = structlog.get_logger()


async def link(offer: BrowserOffer, path: BrowserTransport, host: str, channel: media.Channel, line: PhoneLine) -> None:
    """Exchange sound between a browser that has connected and `channel` of `line`. Raises `PathFailed`."""
    address, port = await path.attach(host, channel.port)
    line.exchange(
        Negotiated(
            b"", "PCMU", offer.payload_type, offer.dtmf_payload_type, address, port, offer.direction,
            control=(address, port),
        )
    )  # fmt: skip


class BrowserCall:
    """A call whose answer the browser has already; `path` waits for it to connect."""

    def __init__(
        self, offer: BrowserOffer, path: BrowserTransport, engine: MediaEngine, host: Host, tape: Tape, ways: Ways
    ) -> None:
        self.stats: dict[str, Any] = {}
        self.tape = tape
        self._offer = offer
        self._path = path
        self._engine = engine
        self._host = host
        self._line = PhoneLine()
        self._sound: Sound | None = None
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._transfers = Transfers(engine, ways, self._line, self._spawn)

    @property
    def sound(self) -> Sound | None:
        """See `sipgw.calls.live.Held.sound`."""
        return self._sound

    @property
    def mos(self) -> float:
        """See `sipgw.calls.phone_line.PhoneLine.mos`."""
        return self._line.mos

    @property
    def audience(self) -> Audience:
        """Who listens live."""
        return self._line.audience

    @property
    def instead(self) -> str:
        """See `sipgw.transfer.transfer.Transfers.instead`."""
        return self._transfers.instead

    async def take_over(self, who: str, summon: Summon | None = None) -> bool:
        """See `sipgw.calls.live.Held.take_over`."""
        return await self._transfers.take_over(None, who, summon)

    def give_back(self) -> None:
        """See `sipgw.calls.live.Held.give_back`."""
        self._transfers.give_back()

    async def run(self) -> Ending:
        """Hold the call; never raises but on cancellation, and always leaves path and ports free."""
        try:
            return await self._run()
        except (media.PortsExhausted, media.MediaDown, PathFailed) as error:
            return Ending("refused", str(error))
        except Exception as error:  # the call boundary: one call's fault is not the others'
            log.exception("call failed")
            return Ending("failed", f"internal error: {type(error).__name__}")
        finally:
            self.audience.hear(b"")
            await self._path.close()

    async def _run(self) -> Ending:
        channel = await self._engine.open(sorting(self._line, self.tape, self._host))
        with closing(channel):
            self.tape.attach(channel)
            self._line.attach(channel)
            connect = self._connect if self._transfers.ways.people else None
            conversation = self._host.converse(self._line, connect)
            try:
                if problem := await self._met(conversation):
                    return Ending("caller_hung_up" if self._path.closed else "failed", problem)
                return await self._converse_on(channel, conversation)
            finally:
                await conversation.close()

    async def _met(self, conversation: Talk) -> str:
        """Wait for the browser while the providers are opened; returns why it does not come."""
        problem, far = "", self._offer.far
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(conversation.open())
            try:
                await self._path.connect(far.user, far.password, far.fingerprints)
            except PathFailed as failed:
                problem = str(failed)
                opening.cancel()
        return problem

    async def _converse_on(self, channel: media.Channel, conversation: Talk) -> Ending:
        await link(self._offer, self._path, self._engine.host, channel, self._line)
        self._sound = Sound(channel.number, self._engine.host, channel.port)
        self._host.answered()
        self.tape.begin()
        async with self._group:
            self._spawn(self._follow())
            try:
                outcome = await conversation.run()
                ending = self._ending(outcome, await self._transfers.last())
            finally:
                await self._transfers.close()
            for task in self._tasks:
                task.cancel()
        with contextlib.suppress(media.MediaDown):
            self.stats = await channel.stats()
        return ending

    def _ending(self, outcome: Outcome, spoke: str) -> Ending:
        told = self._transfers.told(spoke)
        if self._transfers.moved(spoke):
            return Ending("transferred", told)
        if outcome.kind == "failed" and told:
            return Ending("transfer_failed", f"{outcome.text}; {told}")
        return Ending(outcome.kind, outcome.text)

    async def _connect(self, to: str = "") -> bool:
        """Connect the caller with somebody; returns whether that succeeded."""
        return await self._transfers.connect(None, to)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _follow(self) -> None:
        cause = await self._path.gone()
        self._line.end(cause, lost=cause != HUNG_UP)
