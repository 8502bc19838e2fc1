# mypy: disable-error-code="attr-defined"
"""Calls on the wire that are read as ladders, like the figures of RFC 3665 and RFC 5359."""

from collections.abc import Iterable
from typing import Self

from sipgw.sip.digest import Credentials
from sipgw.sip.events import Ended, Phase
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.invite_server import InviteServer
from sipgw.sip.message import Request, Response
from sipgw.sip.offer_answer import LocalMedia, accept_answer, answer, make_offer
from sipgw.sip.uri import Uri
from tests.sip.proxy import Proxy
from tests.sip.wire import ANSWER, OFFER, Wire

A, B, C, P, Q = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.8", "10.0.0.9"
NAMES = {A: "A", B: "B", C: "C", P: "P", Q: "Q"}


def ladder(trace: Iterable[tuple[float, str, str, Request | Response]]) -> list[str]:
    """What went over the wire, e.g. ``A>B INVITE`` and ``B>A 200 INVITE``."""
    lines = []
    for _, source, target, message in trace:
        what = message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"
        lines.append(f"{NAMES[source]}>{NAMES[target]} {what}")
    return lines


class Flow:
    """Alice calls Bob: directly, through both proxies, or through `outbound`."""

    def __init__(
        self,
        *,
        proxies: bool = False,
        credentials: Credentials | None = None,
        offer: bytes = OFFER,
        outbound: str = "",
    ) -> None:
        self.wire = Wire(A, B, C)
        self.alice_told: list[object] = []
        self.bob_told: list[object] = []
        self.proxies = [Proxy.between(self.wire, P, Q), Proxy.between(self.wire, Q, B)] if proxies else []
        self.wire.parties[B].on_call = self._came
        outbound = outbound or (P if proxies else "")
        self.alice = InviteClient.to(
            self.wire.parties[A].agent.core,
            Uri.parse(f"sip:bob@{B}"),
            f"<sip:alice@{A}>",
            offer,
            proxy=Uri.parse(f"sip:{outbound}") if outbound else None,
            credentials=credentials,
        )
        self.alice.on_event = self.alice_told.append
        self._shown = 0

    def _came(self, call: InviteServer, now: float) -> None:
        del now
        self.bob = call
        call.on_event = self.bob_told.append

    def dial(self) -> Self:
        self.alice.start(self.wire.now)
        self.wire.run(0.2)
        return self

    def up(self) -> Self:
        """The call is answered; the ladder begins anew."""
        self.dial()
        self.bob.answer(self.answer, self.wire.now)
        self.wire.run(0.2)
        assert self.alice.phase is self.bob.phase is Phase.CONFIRMED
        self.ladder()
        return self

    @property
    def answer(self) -> bytes:
        """What Bob answers Alice's offer with."""
        return ANSWER

    def ladder(self) -> list[str]:
        """What was sent since the last look."""
        shown, self._shown = self._shown, len(self.wire.trace)
        return ladder(self.wire.trace[shown:])

    def calls(self, host: str, target: Uri, *fields: tuple[str, str]) -> InviteClient:
        """Another call on the same wire; its events stand in `told` of what is returned."""
        client = InviteClient.to(
            self.wire.parties[host].agent.core, target, f"<sip:{NAMES[host]}@{host}>", OFFER, fields=fields
        )
        client.told = []
        client.on_event = client.told.append
        client.start(self.wire.now)
        self.wire.run(0.2)
        return client

    def picks_up(self, host: str) -> list[InviteServer]:
        """From now on `host` answers each call at once, and ends the one that it replaces; its calls in their order."""
        came: list[InviteServer] = []

        def answers(call: InviteServer, now: float) -> None:
            came.append(call)
            call.answer(ANSWER, now)
            if call.replaced is not None:
                call.replaced.hangup(now)

        self.wire.parties[host].on_call = answers
        return came

    def ends(self, by: str = "alice") -> None:
        """Hang up; both sides know, and nothing is remembered."""
        (self.alice if by == "alice" else self.bob).hangup(self.wire.now)
        self.wire.run(0.2)
        assert isinstance(self.alice_told[-1], Ended)
        assert isinstance(self.bob_told[-1], Ended)
        self.nothing_left()

    def nothing_left(self) -> None:
        """Every call is over and forgotten."""
        self.wire.run(100)
        assert [self.wire.parties[host].agent.open for host in (A, B, C)] == [0, 0, 0]


ALICE, BOB = LocalMedia(A, 4000, tls=False), LocalMedia(B, 4002, tls=False)


class Talking(Flow):
    """A call whose Bob answers offers as the gateway does."""

    def __init__(self) -> None:
        super().__init__(offer=make_offer(ALICE))

    @property
    def answer(self) -> bytes:
        """See `Flow.answer`."""
        return answer(self.bob.invite.body, BOB).sdp

    def alice_offers(self, sdp: bytes) -> tuple[str, str]:
        """The direction of Bob's sound, as he and as Alice see it, after Alice's re-INVITE with `sdp`."""
        self.alice.session.change(sdp, self.wire.now)
        self.wire.run(0.1)
        agreed = answer(self.bob_told[-1].sdp, BOB)
        self.bob.accept_offer(agreed.sdp, self.wire.now)
        self.wire.run(0.2)
        assert self.ladder() == ["A>B INVITE", "B>A 200 INVITE", "A>B ACK"]
        return agreed.direction, accept_answer(sdp, self.alice_told[-1].sdp, ALICE).direction
