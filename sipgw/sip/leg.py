"""A call leg as the gateway holds it: the core's `InviteDialog` with events that can be awaited."""

import asyncio
from collections.abc import AsyncIterator, Callable

from sipgw.sip.dialog import DEFAULT_PORT, DialogId, Peer
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
from sipgw.sip.info import PRESSED
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
"""Events that may wait; beyond that all but the last event (`Ended`) are dropped."""


class Leg:
    """One INVITE dialog. Every method may be called at any time; too late, it does nothing."""

    def __init__(
        self,
        usage: InviteServer | InviteClient,
        source: Peer,
        clock: Callable[[], float],
        flush: Callable[[], None],
        locate: Locate,
    ) -> None:
        self.source = source
        """Where the call came from, or goes to."""
        self.successor: Leg | None = None
        """The call that has taken the place of this one while it rang."""
        self.on_asserted: Callable[[Request], None] = lambda request: None
        """Told each request by which the other side tells anew who speaks there."""
        self._usage = usage
        self._clock = clock
        self._flush = flush
        self._names = MediaNames(locate)
        self._events: asyncio.Queue[CallEvent] = asyncio.Queue()
        self._referred: asyncio.Future[Referred] | None = None
        self._changed: asyncio.Future[Changed] | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        usage.on_event = self._take

    @property
    def id(self) -> str:
        """The Call-ID."""
        return self._usage.invite.call_id

    @property
    def request(self) -> Request:
        """The INVITE."""
        return self._usage.invite

    @property
    def offer(self) -> bytes | None:
        """The session description of the INVITE; None if the other side wants ours (late offer)."""
        return self._names.known(self._usage.invite.body or None)

    @property
    def local(self) -> bytes:
        """Our session description as the other side knows it."""
        return self._usage.session.local

    @property
    def remote(self) -> bytes:
        """The other side's last session description."""
        return self._names.known(self._usage.session.remote) or b""

    @property
    def named(self) -> bool:
        """Whether the offer of the INVITE has host names that `find` has to look up."""
        return self._names.missing(self._usage.invite.body)

    async def find(self) -> None:
        """Look up the host names in the offer of the INVITE."""
        await self._names.find(self._usage.invite.body)

    @property
    def phase(self) -> Phase:
        """How far the call has come."""
        return self._usage.phase

    def authenticate(self, credentials: Credentials | None) -> None:
        """Answer challenges to our BYE and REFER with these."""
        self._usage.credentials = credentials

    def known_as(self, uri: Uri | None) -> None:
        """Who called is the server of `uri`: should its TLS connection be gone, another is opened to that name."""
        dialog = self._usage.dialog
        if uri is None or dialog is None or is_address(uri.host):
            return
        source = dialog.source
        if source.transport == "tls" and not source.name:  # from whom we opened it to we know it
            port = uri.port if uri.transport == "tls" else None
            dialog.source = source._replace(port=port or DEFAULT_PORT["tls"], name=uri.host.lower())

    async def events(self) -> AsyncIterator[CallEvent]:
        """Yield what happens, `Ended` last. To be iterated once. Descriptions have addresses where they had names."""
        while True:
            event = await self._events.get()
            match event:
                case Offered(sdp) | Progress(_, _, sdp):
                    event = event._replace(sdp=await self._names.find(sdp))
                case Answered(sdp):
                    event = Answered(await self._names.find(sdp) or b"")
                case Confirmed(sdp):
                    event = Confirmed(await self._names.find(sdp))
                    if not sdp:  # the answer to our INVITE
                        await self._names.find(self._usage.session.remote)
            yield event
            if isinstance(event, Ended):
                return

    async def acknowledged(self) -> bool:
        """Wait until our answer is acknowledged; returns False if the call is over. An ACK repeats our tag, which who
        only pretends to be at that address never sees."""
        await asyncio.wait((self._up,))
        return self.phase is not Phase.ENDED

    async def over(self, limit: float) -> bool:
        """Wait until the call has ended, `limit` seconds at most; returns whether it has."""
        await asyncio.wait((self._over,), timeout=limit)
        return self._over.done()

    def ringing(self) -> None:
        """Tell the caller that it rings."""
        if isinstance(self._usage, InviteServer):
            self._usage.ringing(self._clock())
            self._flush()

    def progress(self, sdp: bytes) -> None:
        """Let the caller hear us before we pick up; `sdp` as for `answer`, which is then given the same."""
        if isinstance(self._usage, InviteServer):
            self._usage.progress(sdp, self._clock())
            self._flush()

    def answer(self, sdp: bytes) -> None:
        """Pick up; `sdp` is our answer, or our offer if the INVITE had none."""
        if isinstance(self._usage, InviteServer):
            self._usage.answer(sdp, self._clock())
            self._flush()

    def reject(self, status: int, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Refuse a call that has not been answered."""
        if isinstance(self._usage, InviteServer):
            self._usage.reject(status, self._clock(), reason, headers)
            self._flush()

    def hangup(self, text: str = "") -> None:
        """End the call: BYE, CANCEL or a refusal, whichever its phase asks for."""
        self._usage.hangup(self._clock(), text)
        self._flush()

    def accept_offer(self, sdp: bytes) -> None:
        """Answer the re-INVITE or UPDATE that `Offered` told of."""
        self._usage.accept_offer(sdp, self._clock())
        self._flush()

    def reject_offer(self, status: int) -> None:
        """Refuse it; the session stays as it was."""
        self._usage.reject_offer(status, self._clock())
        self._flush()

    def send_info_digit(self, key: str, seconds: float = PRESSED) -> None:
        """Press `key`, one of ``0123456789*#ABCD``, by INFO; for PBXs that take no telephone events in RTP.

        Keys are sent in their order, each when the one before was answered. Raises `ValueError` for another key.
        """
        self._usage.keys.press(key, seconds, self._clock())
        self._flush()

    async def reinvite(self, sdp: bytes) -> Changed:
        """Offer `sdp` instead of our present description, e.g. to hold; without an answer all stays as it was."""
        if self._changed is not None:
            return Changed(None, 0, "a change is under way")
        self._changed = asyncio.get_running_loop().create_future()
        self._usage.session.change(sdp, self._clock())
        self._flush()
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
        self._usage.transferor.refer(target, self._clock(), None if other is None else other.replacement)
        self._flush()
        try:
            return await self._referred
        finally:
            self._referred = None

    @property
    def target(self) -> Uri:
        """Where the other side is reached: its Contact, once it is known."""
        dialog = self._usage.dialog
        return self._usage.invite.uri if dialog is None else dialog.target

    @property
    def identity(self) -> str:
        """Who we are in this call, as From or To says it."""
        dialog = self._usage.dialog
        return f"<{self._usage.invite.from_.uri if dialog is None else dialog.local.uri}>"

    @property
    def replacement(self) -> Replaces | None:
        """How an INVITE to the other side says that it takes the place of this call (RFC 3891)."""
        dialog = self._usage.dialog
        return None if dialog is None else Replaces.of(dialog)

    @property
    def dialog(self) -> DialogId | None:
        """The dialog of this call."""
        return None if self._usage.dialog is None else self._usage.dialog.id

    @property
    def replaces(self) -> bool:
        """Whether this call came in to take the place of another (RFC 3891)."""
        return isinstance(self._usage, InviteServer) and self._usage.replaced is not None

    def takes(self, other: "Leg") -> bool:
        """Whether it is the place of `other` that this call came in to take."""
        return self.replaces and isinstance(self._usage, InviteServer) and self._usage.replaced is other._usage  # noqa: SLF001

    def give_way(self, other: "Leg") -> None:
        """Let `other` take the place of this call of ours, which rings: `Endpoint.invite` returns it."""
        self.successor = other
        self._take(PickedUp())

    @property
    def calling(self) -> bool:
        """Whether we have called."""
        return self._usage.calling

    def let_refer(self) -> None:
        """Let the other side refer us to somebody else: `ReferRequested` may come, and wants `report_refer`."""
        self._usage.transferee.allowed = True

    def report_refer(self, status: int, reason: str) -> None:
        """Tell what came of the call to the target of `ReferRequested`."""
        self._usage.transferee.outcome(status, reason, self._clock())
        self._flush()

    def _take(self, event: CallEvent) -> None:
        if isinstance(event, Referred):
            if self._referred is not None and not self._referred.done():
                self._referred.set_result(event)
        elif isinstance(event, Changed):
            if self._changed is not None and not self._changed.done():
                self._changed.set_result(event)
        elif isinstance(event, Asserted):
            self.on_asserted(event.request)
        elif self._events.qsize() < EVENTS_KEPT or isinstance(event, Ended):
            self._events.put_nowait(event)
        if isinstance(event, Confirmed | Ended) and not self._up.done():
            self._up.set_result(None)
        if isinstance(event, Ended) and not self._over.done():
            self._over.set_result(None)
