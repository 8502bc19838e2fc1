"""One call from a browser: what `sipgw.call` is for SIP, with ICE and DTLS in place of a dialog.

Offer → ports and providers are opened while the browser connects → conversation → record.
"""

import asyncio
import contextlib
from typing import Any

import structlog

from agent.steering import CannotSteer
from media import channel as media
from media.browsers import PathFailed, Way
from media.engine import MediaEngine
from sipgw.audience import Audience
from sipgw.call import Host, Talk, sorting
from sipgw.events import Ending, Sound
from sipgw.phone_line import PhoneLine
from sipgw.recordings import Tape
from sipgw.sip.jsep import BrowserOffer
from sipgw.sip.offer_answer import Negotiated
from sipgw.transfer import closing

log = structlog.get_logger()


class BrowserCall:
    """A call whose answer the browser has already; `path` waits for it to connect."""

    def __init__(self, offer: BrowserOffer, path: Way, engine: MediaEngine, host: Host, tape: Tape) -> None:
        self.stats: dict[str, Any] = {}
        self.tape = tape
        self._offer = offer
        self._path = path
        self._engine = engine
        self._host = host
        self._line = PhoneLine()
        self._sound: Sound | None = None

    @property
    def sound(self) -> Sound | None:
        """See `sipgw.live.Held.sound`."""
        return self._sound

    @property
    def mos(self) -> float:
        """See `sipgw.phone_line.PhoneLine.mos`."""
        return self._line.mos

    @property
    def audience(self) -> Audience:
        """Who listens live."""
        return self._line.audience

    async def take_over(self, who: str) -> bool:
        """Not here."""
        raise CannotSteer(f"a call from a browser cannot be taken over by {who!r} yet")

    def give_back(self) -> None:
        """Not here."""
        raise CannotSteer("nobody has taken this call over")

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

    async def hang_up(self) -> None:
        """End it as the caller does."""
        await self._path.close()

    async def _run(self) -> Ending:
        channel = await self._engine.open(sorting(self._line, self.tape, self._host))
        with closing(channel):
            self._line.attach(channel)
            conversation = self._host.converse(self._line, None)
            try:
                if problem := await self._connect(conversation):
                    return Ending("caller_hung_up" if self._path.closed else "failed", problem)
                return await self._converse_on(channel, conversation)
            finally:
                await conversation.close()

    async def _connect(self, conversation: Talk) -> str:
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
        offer = self._offer
        address, port = await self._path.attach(self._engine.host, channel.port)
        self._line.exchange(
            Negotiated(
                b"", "PCMU", offer.payload_type, offer.dtmf_payload_type, address, port, offer.direction,
                control=(address, port),
            )
        )  # fmt: skip
        self._sound = Sound(channel.number, self._engine.host, channel.port)
        self._host.answered()
        self.tape.begin(channel)
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow())
            outcome = await conversation.run()
            following.cancel()
        with contextlib.suppress(media.MediaDown):
            self.stats = await channel.stats()
        return Ending(outcome.kind, outcome.text)

    async def _follow(self) -> None:
        self._line.end(await self._path.gone())
