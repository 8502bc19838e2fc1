"""The browser phone: calls from the page ``/phone``, served like those of a trunk, which is named ``browser``; and
operators who speak from a page in the agent's place."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

from media.browsers.transport import Browsers, BrowserTransport, PathFailed
from sipgw.agents.agents import Agents
from sipgw.bounds import FULL
from sipgw.browser.call import BrowserCall
from sipgw.browser.options import BrowserOptions
from sipgw.browser.party import on_page
from sipgw.calls.live import LiveCall
from sipgw.config import Config
from sipgw.desk import Desk
from sipgw.hosting import Hosting
from sipgw.inbound.admission import Admission
from sipgw.records.recordings import Tape
from sipgw.sip.identity import Identity
from sipgw.sip.jsep import BrowserOffer, Ends
from sipgw.transfer.transfer import Summon
from sipgw.trunks.trunks import TrunkOptions

TRUNK = TrunkOptions("browser", "peer", networks=("127.0.0.1/32",))
"""Stands in records and statistics; no INVITE ever comes on it."""
OFF = "calls from the browser are off: [browser] max_calls is 0"
MISSING = "the browser phone needs aiortc; install it with: pip install 'sipgw[webrtc]'"


class House(Protocol):
    """The gateway, as far as it concerns the phone."""

    config: Config
    agents: Agents
    admission: Admission

    @property
    def desk(self) -> Desk:
        """Serves the calls."""

    def begin(self, live: LiveCall, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` serve a call as long as the gateway runs."""


class NoCall(Exception):  # noqa: N818  an answer, not a fault
    """There can be no call now; `status` is HTTP's word for why, the message is for people."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Placed(NamedTuple):
    """A call that waits for its browser."""

    call: str
    answer: str
    """The session description that the browser has asked for."""


class Operating(NamedTuple):
    """An operator's page that waits to be connected."""

    answer: str
    """The session description that the browser has asked for."""
    summon: Summon
    """For `sipgw.calls.live.LiveCall.take_over`."""
    gone: Callable[[], Awaitable[str]]
    """Waits until there is no way to the page any more: it was left, or the call is over or given back."""


def missing(options: BrowserOptions) -> str:
    """What to do before there can be calls from a browser; empty if nothing."""
    if not options.max_calls:
        return OFF
    return "" if find_spec("aiortc") else MISSING


class BrowserPhone:
    """All calls from browsers, and all operators who speak from a page."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._browsers = Browsers(house.config.browser.network)
        self._owners: dict[str, str] = {}
        """Who placed which call, or speaks in one."""
        self._ways: dict[str, BrowserTransport] = {}

    @property
    def missing(self) -> str:
        """What to do before there can be calls; empty if nothing."""
        return missing(self._house.config.browser)

    async def place(self, offer: str, agent: str, who: str = "") -> Placed:
        """Let `agent` take a call from the browser of `who`. Raises `NotAcceptable` or `NoCall`."""
        if self.missing:
            raise NoCall(501, self.missing)
        if agent not in self._house.agents.all:
            raise NoCall(404, "there is no such agent")
        read, call = BrowserOffer.parse(offer.encode("utf-8", "replace")), f"browser-{secrets.token_hex(8)}"
        if self._house.admission.room.draining:
            raise NoCall(503, "the gateway stops")
        desk = self._house.desk.as_now()
        way, answer = await self._opened(call, read, who)
        caller = Identity(number=who or TRUNK.name, source=TRUNK.name, dialled=agent)
        live = LiveCall(call, TRUNK, caller, agent=agent)
        self._ways[call] = way
        self._house.begin(live, self._serve(desk, live, read, way))
        return Placed(call, answer)

    @contextlib.asynccontextmanager
    async def operating(self, offer: str, who: str) -> AsyncIterator[Operating]:
        """Let `who` come to a call from their page, which is left at the end of the block.

        Raises `NotAcceptable` or `NoCall`.
        """
        if self.missing:
            raise NoCall(501, self.missing)
        read, name = BrowserOffer.parse(offer.encode("utf-8", "replace")), f"operator-{secrets.token_hex(8)}"
        way, answer = await self._opened(name, read, who)
        try:
            yield Operating(answer, lambda _, beside: on_page(read, way, self._house.desk.engine, beside), way.gone)
        finally:
            self._owners.pop(name, None)
            await way.close()

    async def _opened(self, name: str, offer: BrowserOffer, who: str) -> tuple[BrowserTransport, str]:
        """A way to the browser of `who`, counted as `name`, and what the browser is answered. Raises `NoCall`."""
        most = self._house.config.browser.max_calls
        if len(self._owners) >= most:
            FULL["browser calls"] += 1
            raise NoCall(503, f"all {most} browser calls are in use; try again in a moment")
        self._owners[name] = who
        way = None
        try:
            way = await self._browsers.open()
            return way, offer.answer(Ends(*await way.gather()), secrets.randbits(31)).decode()
        except BaseException as error:
            del self._owners[name]
            if way is not None:
                await way.close()
            if isinstance(error, PathFailed | OSError):
                raise NoCall(503, str(error)) from None
            raise

    def owned(self, call: str, who: str) -> bool:
        """Whether `call` goes on and `who` placed it."""
        return self._owners.get(call) == who

    async def hang_up(self, call: str, who: str = "") -> bool:
        """End the call if it is one of `who`; returns whether it is."""
        if not self.owned(call, who):
            return False
        if call in self._ways:
            await self._ways[call].close()
        return True

    async def _serve(self, desk: Desk, live: LiveCall, offer: BrowserOffer, way: BrowserTransport) -> None:
        def call(host: Hosting, tape: Tape) -> BrowserCall:
            return BrowserCall(offer, way, desk.engine, host, tape, host.ways())

        try:
            await desk.hold(live, call)
        finally:
            self._ways.pop(live.id, None)
            self._owners.pop(live.id, None)
            await way.close()
