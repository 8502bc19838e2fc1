"""A call leg: an `InviteDialog` of the core for asyncio, with events and outcomes that can be awaited."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from sipgw.sip.dialog import DEFAULT_PORT, Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.events import (
    Answered,
    Asserted,
    CallEvent,
    Changed,
    Confirmed,
    Ended,
    KeyPressed,
    Offered,
    Phase,
    PickedUp,
    Progress,
    Referred,
    ReferRequested,
)
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.invite_server import InviteServer
from sipgw.sip.media_names import Locate, MediaNames
from sipgw.sip.message import Request
from sipgw.sip.replaces import Replaces
from sipgw.sip.uri import Uri, is_address

__all__ = [
    "Answered", "CallEvent", "Changed", "Confirmed", "Ended", "KeyPressed", "Leg", "Offered", "Progress",
    "ReferRequested", "Referred",
]  # fmt: skip

EVENTS_KEPT = 100
"""Events that may wait. When so many wait, further events of `MAY_BE_LOST` are dropped."""
MAY_BE_LOST = (Progress, KeyPressed, Offered)
"""Events of which the other side can cause any number. An offer that is dropped is refused after
`sipgw.sip.offer_exchange.ANSWER_LIMIT`. Events that our own actions cause, above all `Confirmed`, are never dropped."""


T = TypeVar("T")


class _WaitingEvents(asyncio.Queue[CallEvent]):
    """Events of a call that wait to be read."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self._counts = counts

    def take(self, event: CallEvent) -> None:
        """Append `event`, unless `EVENTS_KEPT` events wait and it may be lost; then it is counted as dropped."""
        if self.qsize() < EVENTS_KEPT or not isinstance(event, MAY_BE_LOST):
            self.put_nowait(event)
        else:
            self._counts["event of a call dropped"] += 1


class Leg:
    """One INVITE dialog. An action that comes too late, because the other side was faster, does nothing. Misuse by our
    own code raises RuntimeError."""

    def __init__(
        self,
        call: InviteServer | InviteClient,
        source: Peer,
        act: Callable[..., Any],
        locate: Locate,
        counts: Counter[str],
    ) -> None:
        """`act` calls its first argument with the others and the time, lets the core send, and returns the result.
        `counts` counts the events that are dropped."""
        self.source = source
        """Where the call came from, or goes to."""
        self.successor: Leg | None = None
        """The call that has taken the place of this one while it rang."""
        self.on_asserted: Callable[[Request], None] = lambda request: None
        """Takes each request by which the other side states a new identity."""
        self._call = call
        self._act = act
        self._names = MediaNames(locate)
        self._events = _WaitingEvents(counts)
        self._awaited = False
        self._referred: asyncio.Future[Referred] | None = None
        self._changed: asyncio.Future[Changed] | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call.on_event = self._take

    # State

    @property
    def id(self) -> str:
        """The Call-ID."""
        return self._call.invite.call_id

    @property
    def request(self) -> Request:
        """The INVITE."""
        return self._call.invite

    @property
    def offer(self) -> bytes | None:
        """The session description of the INVITE; None if the other side wants ours (late offer)."""
        return self._names.known(self._call.invite.body or None)

    @property
    def local(self) -> bytes:
        """Our session description as the other side knows it."""
        return self._call.session.local

    @property
    def remote(self) -> bytes:
        """The other side's last session description."""
        return self._names.known(self._call.session.remote) or b""

    @property
    def named(self) -> bool:
        """Whether the offer of the INVITE has host names that `find` has to look up."""
        return self._names.any_in(self._call.invite.body)

    async def find(self) -> None:
        """Look up the host names in the offer of the INVITE."""
        await self._found(self._call.invite.body)

    async def _found(self, sdp: bytes | None) -> bytes | None:
        """`sdp` with addresses in place of its host names; the look-up ends when the call ends."""
        if self._names.any_in(sdp):
            async with asyncio.TaskGroup() as group:
                finding = group.create_task(self._names.find(sdp))
                await asyncio.wait((finding, self._over), return_when=asyncio.FIRST_COMPLETED)
                finding.cancel()
        return self._names.known(sdp)

    @property
    def phase(self) -> Phase:
        """How far the call has come."""
        return self._call.phase

    @property
    def calling(self) -> bool:
        """Whether we made the call."""
        return self._call.calling

    @property
    def target(self) -> Uri:
        """Where the other side is reached: its Contact, once it is known."""
        dialog = self._call.dialog
        return self._call.invite.uri if dialog is None else dialog.target

    @property
    def host(self) -> str:
        """Our address as the other side was told it; empty before there is a dialog."""
        dialog = self._call.dialog
        return "" if dialog is None else dialog.told

    @property
    def identity(self) -> str:
        """Our identity in this call, as From or To has it."""
        dialog = self._call.dialog
        return f"<{self._call.invite.from_.uri if dialog is None else dialog.local.uri}>"

    @property
    def replacement(self) -> Replaces | None:
        """The Replaces of an INVITE to the other side that takes the place of this call (RFC 3891)."""
        dialog = self._call.dialog
        return None if dialog is None else Replaces.of(dialog)

    @property
    def replaces(self) -> bool:
        """Whether this call came in to take the place of another (RFC 3891)."""
        return isinstance(self._call, InviteServer) and self._call.replaced is not None

    def takes(self, other: "Leg") -> bool:
        """Whether this call came in to take the place of `other`."""
        return isinstance(self._call, InviteServer) and self._call.replaced is other._call  # noqa: SLF001

    # Events

    async def events(self) -> AsyncIterator[CallEvent]:
        """Yield the events that have not been taken yet, `Ended` last, with addresses in the place of host names.

        `Progress` keeps its host names: its description is not used, and an answer must not wait for a look-up.
        """
        while True:
            if self._awaited or (self._over.done() and self._events.empty()):
                raise RuntimeError("each event is taken once, and none follows `Ended`")
            self._awaited = True
            try:
                event = await self._events.get()
            finally:
                self._awaited = False
            match event:
                case Offered(sdp):
                    event = Offered(await self._found(sdp))
                case Answered(sdp):
                    event = Answered(await self._found(sdp) or b"")
                case Confirmed(sdp):
                    event = Confirmed(await self._found(sdp))
                    if not sdp:  # the answer to our INVITE
                        await self._found(self._call.session.remote)
            yield event
            if isinstance(event, Ended):
                return

    async def acknowledged(self) -> bool:
        """Wait until our answer is acknowledged; returns False if the call is over.

        The ACK repeats our tag. A sender with a forged source address never sees that tag.
        """
        await asyncio.wait((self._up,))
        return self.phase is not Phase.ENDED

    async def over(self, limit: float) -> bool:
        """Wait until the call has ended, `limit` seconds at most; returns whether it has."""
        await asyncio.wait((self._over,), timeout=limit)
        return self._over.done()

    def _take(self, event: CallEvent) -> None:
        if isinstance(event, Referred):
            _settle(self._referred, event)
        elif isinstance(event, Changed):
            _settle(self._changed, event)
        elif isinstance(event, Asserted):
            self.on_asserted(event.request)
        else:
            self._events.take(event)
        if isinstance(event, Confirmed | Ended):
            _settle(self._up, None)
        if isinstance(event, Ended):
            _settle(self._over, None)

    # Actions

    @property
    def _incoming(self) -> InviteServer:
        if not isinstance(self._call, InviteServer):
            raise RuntimeError("only a call that came in can be rung, answered or refused by us")  # noqa: TRY004
        return self._call

    def ringing(self) -> None:
        """Send 180 to the caller."""
        self._act(self._incoming.ringing)

    def progress(self, sdp: bytes) -> None:
        """Send early media: the caller hears us before we answer. `answer` must get the same `sdp`."""
        self._act(self._incoming.progress, sdp)

    def answer(self, sdp: bytes) -> None:
        """Answer the call, once; `sdp` is our answer, or our offer if the INVITE had none."""
        if self.phase in (Phase.ANSWERED, Phase.CONFIRMED):
            raise RuntimeError("the call is answered already")
        self._act(self._incoming.answer, sdp)

    def reject(self, status: int, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Refuse the call; it does nothing if the call has been answered."""
        self._act(lambda now: self._incoming.reject(status, now, reason, headers))

    def hangup(self, text: str = "") -> None:
        """End the call by BYE, CANCEL or a refusal, as its phase requires."""
        self._act(lambda now: self._call.hangup(now, text))

    def accept_offer(self, sdp: bytes) -> bool:
        """Answer the re-INVITE or UPDATE that `Offered` reported; returns whether it still waited for an answer."""
        accepted: bool = self._act(self._call.accept_offer, sdp)
        return accepted

    def reject_offer(self, status: int) -> None:
        """Refuse the re-INVITE or UPDATE that `Offered` reported; the session stays as it was."""
        self._act(self._call.reject_offer, status)

    async def reinvite(self, sdp: bytes) -> Changed:
        """Offer `sdp` instead of our present description, e.g. to hold; returns the outcome. Without an answer the
        session stays as it was."""
        if self._changed is not None:
            return Changed(None, 0, "a change is under way")
        self._changed = asyncio.get_running_loop().create_future()
        self._act(self._call.session.change, sdp)
        try:
            return await self._changed
        finally:
            self._changed = None

    async def refer(self, target: Uri, other: "Leg | None" = None) -> Referred:
        """Send the other side to `target` (blind transfer), or connect it with the other side of `other` there
        (attended transfer); returns the outcome, at the latest after `REFER_LIMIT`."""
        if self._referred is not None:
            return Referred(False, 0, "a transfer is under way")
        self._referred = asyncio.get_running_loop().create_future()
        replaces = None if other is None else other.replacement
        self._act(lambda now: self._call.transferor.refer(target, now, replaces))
        try:
            return await self._referred
        finally:
            self._referred = None

    def let_refer(self) -> None:
        """Let the other side refer us to another target: `ReferRequested` may come, and needs `report_refer`."""
        self._call.transferee.allowed = True

    def report_refer(self, status: int, reason: str) -> None:
        """Report the outcome of the call to the target of `ReferRequested`."""
        self._act(self._call.transferee.outcome, status, reason)

    def give_way(self, other: "Leg") -> None:
        """Let `other` take the place of this call of ours, which rings: `Endpoint.invite` returns `other`."""
        if not self.calling or self.successor is not None:
            raise RuntimeError("only a call of ours gives way, and only once")
        self.successor = other
        self._take(PickedUp())

    def authenticate(self, credentials: Credentials | None) -> None:
        """Answer challenges to our requests in the call with `credentials`."""
        self._call.credentials = credentials

    def known_as(self, uri: Uri | None) -> None:
        """Note that the caller is the server of `uri`: if its TLS connection is lost, another is opened to its host."""
        dialog = self._call.dialog
        if uri is None or dialog is None or is_address(uri.host):
            return
        source = dialog.source
        if source.transport == "tls" and not source.name:  # a connection of ours has its name already
            port = uri.port if uri.transport == "tls" else None
            dialog.source = source._replace(port=port or DEFAULT_PORT["tls"], name=uri.host.lower())


def _settle(future: asyncio.Future[T] | None, value: T) -> None:
    if future is not None and not future.done():
        future.set_result(value)
