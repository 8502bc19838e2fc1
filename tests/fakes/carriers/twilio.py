"""Twilio Elastic SIP Trunking: no REGISTER, E.164 with +, one call a second, an edge that record-routes."""

import asyncio
from typing import Any

from sipgw.sip.message import Request
from tests.fakes.carriers.carrier import Call, Carrier, Fields


class Twilio(Carrier):
    """The edge of one trunk, acme.pstn.twilio.com. The gateway behind the edge has a private address."""

    host = "127.0.9.21"
    realm = "sip.twilio.com"
    domain = "acme.pstn.twilio.com"
    users = {"acme": "twilio-password"}  # noqa: RUF012
    contact = "sip:+14155550100@172.18.5.1:5060;transport=udp"
    numbers = ("+14155550111",)

    def __init__(self) -> None:
        super().__init__()
        self._asked = self._called = -100.0

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def on_options(self, request: Request, addr: Any) -> None:
        now = self._now()
        if now - self._asked < 10:
            self.faults.append("OPTIONS more often than every 10 s")
            return
        self._asked = now
        super().on_options(request, addr)

    def on_invite(self, request: Request, addr: Any) -> None:
        if request.to.tag:
            self.reply(request, addr, 488)
        elif request.uri.host != self.domain:
            self.reply(request, addr, 404)  # the host names the trunk
        elif not (request.uri.user.startswith("+") and request.uri.user[1:].isdigit()):
            self.reply(request, addr, 400)
        elif not self.challenged(request, addr, 407):
            now, before = self._now(), self._called
            self._called = now
            if request.from_.uri.user not in self.numbers:
                self.reply(request, addr, 403)
            elif now - before < 0.5:  # at 1 a second; on its way one may be late, and the next one not
                self.reply(request, addr, 503, "Trunk CPS limit exceeded")
            else:
                self._tasks.create_task(self.accept(request, addr))

    async def ring(self, dialled: str, addr: tuple[str, int]) -> tuple[int, Call]:
        """Send a call to the origination URI, as captured from a real one."""
        fields: Fields = (
            ("Diversion", f"<sip:{dialled}@twilio.com>;reason=unconditional"),
            ("X-Twilio-AccountSid", "AC00000000000000000000000000000000"),
            ("X-Twilio-CallSid", "CA00000000000000000000000000000000"),
            ("P-Asserted-Identity", "<sip:+14155550100@206.147.72.45:5060>"),
            ("Supported", "timer"),
            ("Min-SE", "120"),
            ("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY"),
            ("User-Agent", "Twilio Gateway"),
        )
        return await self.call(f"sip:{dialled}@{addr[0]}:{addr[1]}", addr, fields)

    def refused(self, refer: Request) -> tuple[int, str] | None:
        target = (refer.headers.get("refer-to") or "").strip("<>")
        return None if target.startswith("tel:+") or target.endswith(f"@{self.domain}") else (403, "Forbidden")
