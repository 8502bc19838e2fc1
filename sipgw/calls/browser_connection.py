"""The browser's side of one call: ICE and DTLS in place of a SIP leg."""

import asyncio

from media.browsers.transport import HUNG_UP, BrowserTransport, PathFailed
from media.process import channel as media
from media.process.engine import MediaEngine
from sipgw.calls.context import CallContext
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.transfers import Transfers
from sipgw.events import Disposition
from sipgw.sip.jsep import BrowserOffer
from sipgw.sip.negotiated import Negotiated


async def link(offer: BrowserOffer, path: BrowserTransport, host: str, channel: media.Channel, line: PhoneLine) -> None:
    """Exchange sound between a browser that has connected and `channel` of `line`. Raises `PathFailed`."""
    address, port = await path.attach(host, channel.port)
    line.exchange(
        Negotiated(
            b"", "PCMU", offer.payload_type, offer.dtmf_payload_type, address, port, offer.direction,
            control=(address, port),
        )
    )  # fmt: skip


class BrowserConnection:
    """A call from a browser that has our SDP answer already; `path` waits for the ICE connection."""

    leg = None
    gone: Disposition | None = None
    """Always None: the outcome of the conversation tells why the call ended."""

    def __init__(
        self,
        offer: BrowserOffer,
        path: BrowserTransport,
        engine: MediaEngine,
        context: CallContext,
        transfers: Transfers,
    ) -> None:
        self.address = engine.host
        self._offer = offer
        self._path = path
        self._context = context
        self._transfers = transfers
        self._channel: media.Channel | None = None

    async def resolve(self) -> bool:
        """Does nothing: the candidates of the browser are not used."""
        return True

    async def begin(self) -> Disposition | None:
        """Does nothing: the page itself shows that the call is being connected."""
        return None

    def refuse(self, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Does nothing: the page notices the closed connection."""

    def prepare(self, channel: media.Channel) -> Disposition | None:
        """Keep `channel`, on which the call will exchange sound."""
        self._channel = channel
        return None

    async def connect(self, opening: asyncio.Task[None]) -> Disposition | None:
        """Wait for the browser while the conversation is prepared."""
        far = self._offer.far
        assert self._channel is not None  # noqa: S101  `prepare` comes before `connect`
        try:
            await self._path.connect(far.user, far.password, far.fingerprints)
        except PathFailed as failed:
            return Disposition("caller_hung_up" if self._path.closed else "failed", str(failed))
        await opening
        try:
            await link(self._offer, self._path, self.address, self._channel, self._context.line)
        except PathFailed as failed:
            return Disposition("refused", str(failed))
        self._transfers.spawn(self._follow())
        return None

    async def over(self, limit: float) -> None:
        """Does nothing: no carrier transfers this caller, so no BYE is expected."""

    def hang_up(self) -> None:
        """Does nothing: `close` ends the connection."""

    async def close(self) -> None:
        """See `sipgw.calls.session.CallConnection.close`."""
        self._context.line.listeners.hear(b"")
        await self._path.close()

    async def _follow(self) -> None:
        cause = await self._path.gone()
        self._context.line.end(cause, lost=cause != HUNG_UP)
