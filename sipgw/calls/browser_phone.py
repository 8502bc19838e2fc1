"""Calls from the page ``/phone`` and from visitors of web sites, on a trunk named ``browser``; and operators who take
over calls from a page."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import NamedTuple, Protocol

from media.browsers.transport import Browsers, BrowserTransport, PathFailed
from sipgw.agents.agents import Agents
from sipgw.bounds import FULL
from sipgw.calls.browser_connection import BrowserConnection
from sipgw.calls.dispatch import CallDispatcher
from sipgw.calls.info import CallInfo
from sipgw.calls.operator_page import on_page
from sipgw.calls.session import CallSession
from sipgw.calls.transfer_legs import Consult
from sipgw.config.browser import BrowserOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.errors import ConfigError
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.admission import Admission
from sipgw.policy.inbound.limits import Caller
from sipgw.sip.identity import Identity
from sipgw.sip.jsep import BrowserOffer, Ends

TRUNK = TrunkOptions("browser", "peer", networks=("127.0.0.1/32",))
"""The trunk of these calls in records and statistics; no INVITE comes on it."""
OFF = "calls from the browser are off: [browser] max_calls is 0"
VISITOR = "visitor"
"""The caller's name in the records, if the caller is a visitor of a web site."""
MISSING = "the browser phone needs aiortc; install it with: pip install 'sipgw[webrtc]'"


class PhoneGateway(Protocol):
    """The parts of the gateway that the browser phone needs."""

    config: GatewayConfig
    agents: Agents
    admission: Admission

    @property
    def dispatcher(self) -> CallDispatcher:
        """Begins the calls."""


class CallUnavailable(Exception):  # noqa: N818  an answer, not a fault
    """No call is possible now. `status` is the HTTP status; the page shows the message."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class PromptDraft(NamedTuple):
    """A prompt that somebody tries out in a call."""

    name: str
    """Name of the prompt in the records."""
    prompt: str


class PendingCall(NamedTuple):
    """A call that waits for its browser."""

    call: str
    answer: str
    """The session description that the browser has asked for."""


class PendingOperator(NamedTuple):
    """An operator's page that waits to be connected."""

    answer: str
    """The session description that the browser has asked for."""
    consult: Consult
    """For `sipgw.calls.session.CallSession.take_over`."""
    gone: Callable[[], Awaitable[str]]
    """Waits until the page is no longer connected (page left, call over or given back); returns why."""


def missing(options: BrowserOptions) -> str:
    """Advice on what to install or configure before a browser can call; empty if nothing is missing."""
    if not options.max_calls:
        return OFF
    return "" if find_spec("aiortc") else MISSING


class BrowserPhone:
    """All calls from browsers, and all operators who speak from a page."""

    def __init__(self, gateway: PhoneGateway) -> None:
        self._gateway = gateway
        self._browsers = Browsers(gateway.config.browser.network)
        self._owners: dict[str, str] = {}
        """The user of each call and of each operator's page."""
        self._ways: dict[str, BrowserTransport] = {}

    @property
    def missing(self) -> str:
        """See `missing`, for the options of this gateway."""
        return missing(self._gateway.config.browser)

    async def place(
        self, offer: str, agent: str, who: str = "", caller: str = TRUNK.name, visitor: Caller | None = None,
        draft: PromptDraft | None = None,
    ) -> PendingCall:  # fmt: skip
        """Let `agent` take a call from the browser of `who`. Raises `NotAcceptable` or `CallUnavailable`.

        The record tells `caller`, and never `who`. In this call alone the agent has the prompt of `draft`. A `visitor`
        of a web site is counted by the limits on incoming calls; `who` is then a secret of that visitor.
        """
        if self.missing:
            raise CallUnavailable(501, self.missing)
        if agent not in self._gateway.agents.all:
            raise CallUnavailable(404, "there is no such agent")
        read, call = BrowserOffer.parse(offer.encode("utf-8", "replace")), f"browser-{secrets.token_hex(8)}"
        capacity = self._gateway.admission.capacity
        if full := capacity.full(asyncio.get_running_loop().time()):
            raise CallUnavailable(503, full)
        services = self._gateway.dispatcher.services.snapshot()
        if draft:
            try:
                services = replace(services, agents=services.agents.drafting(agent, draft.prompt))
            except ConfigError as error:
                raise CallUnavailable(409, str(error)) from None
        capacity.starting.add(call)
        try:
            way, answer = await self._opened(call, read, who)
        finally:
            capacity.starting.discard(call)
        identity = Identity(number=caller, source=TRUNK.name, dialled=draft.name if draft else agent)
        session = CallSession(CallInfo(call, TRUNK, identity, agent=agent), services)
        connection = BrowserConnection(read, way, services.engine, session.context, session.transfers)
        self._ways[call] = way
        task = self._gateway.dispatcher.begin(session, connection, visitor)
        task.add_done_callback(lambda _: self._over(call))
        return PendingCall(call, answer)

    @contextlib.asynccontextmanager
    async def operating(self, offer: str, who: str) -> AsyncIterator[PendingOperator]:
        """Connect the page of the operator `who`, until the block ends.

        Raises `NotAcceptable` or `CallUnavailable`.
        """
        if self.missing:
            raise CallUnavailable(501, self.missing)
        read, name = BrowserOffer.parse(offer.encode("utf-8", "replace")), f"operator-{secrets.token_hex(8)}"
        way, answer = await self._opened(name, read, who)
        try:
            engine = self._gateway.dispatcher.services.engine
            yield PendingOperator(answer, lambda _, beside: on_page(read, way, engine, beside), way.gone)
        finally:
            self._owners.pop(name, None)
            await way.close()

    async def _opened(self, name: str, offer: BrowserOffer, who: str) -> tuple[BrowserTransport, str]:
        """Connect to the browser of `who`, counted as `name`; answer its offer. Raises `CallUnavailable`."""
        most = self._gateway.config.browser.max_calls
        if len(self._owners) >= most:
            FULL["browser calls"] += 1
            raise CallUnavailable(503, f"all {most} browser calls are in use; try again in a moment")
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
                raise CallUnavailable(503, str(error)) from None
            raise

    def owned(self, call: str, who: str) -> bool:
        """Whether `call` goes on and `who` placed it."""
        return self._owners.get(call) == who

    async def hang_up(self, call: str, who: str = "") -> bool:
        """End the call if `who` placed it; returns whether `who` did."""
        if not self.owned(call, who):
            return False
        if call in self._ways:
            await self._ways[call].close()
        return True

    def _over(self, call: str) -> None:
        self._ways.pop(call, None)
        self._owners.pop(call, None)
