"""An operator who takes over a caller from a page of the dashboard: ICE and DTLS in place of a SIP leg."""

import contextlib
from collections.abc import AsyncIterator

from media.browsers.transport import BrowserTransport, PathFailed
from media.process.engine import MediaEngine
from sipgw.calls.browser_connection import link
from sipgw.calls.consult_leg import ConsultLeg
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.transfers import closing
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.events import Ended
from sipgw.sip.jsep import BrowserOffer


class OperatorPage(ConsultLeg):
    """An operator on a page. When the page is closed, the agent goes on, so that a closed page does not end the
    call."""

    returns = True

    def __init__(self, line: PhoneLine, path: BrowserTransport) -> None:
        super().__init__(line)
        self._path = path

    async def follow(self) -> None:
        """See `sipgw.calls.consult_leg.ConsultLeg.follow`."""
        self.line.end(await self._path.gone())


@contextlib.asynccontextmanager
async def on_page(
    offer: BrowserOffer, path: BrowserTransport, engine: MediaEngine, beside: int
) -> AsyncIterator[OperatorPage]:
    """Wait for the browser; the block begins when it has connected, and hangs up at its end.

    `beside` is the number of the channel that it will be bridged with. Raises `CallFailed`, `PortsExhausted` or
    `MediaDown`.
    """
    line = PhoneLine()
    channel = await engine.open(line.on_media, beside=beside)
    far = offer.far
    with closing(channel):
        line.attach(channel)
        try:
            await path.connect(far.user, far.password, far.fingerprints)
            await link(offer, path, engine.host, channel, line)
            yield OperatorPage(line, path)
        except PathFailed as failed:
            raise CallFailed(Ended("network", "ICE", str(failed), 408)) from None
        finally:
            await path.close()
