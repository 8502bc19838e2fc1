"""Telnyx: credential connection with REGISTER, compact headers inbound, error codes in the reason phrase."""

from typing import Any

from sipgw.sip.message import COMPACT, Request
from tests.fakes.carriers.carrier import Carrier

SHORT = {full: compact for compact, full in COMPACT.items()}


class Telnyx(Carrier):
    """One node of sip.telnyx.com; its `opaque` names it, and without it the nonce is not known."""

    host = "127.0.9.11"
    realm = "sip.telnyx.com"
    domain = "sip.telnyx.com"
    users = {"acmegateway": "telnyx-password"}  # noqa: RUF012
    numbers = ("+14155550111",)

    def __init__(self) -> None:
        super().__init__()
        self.bound = ""
        self.refer_enabled = False
        self.full = False
        self.srtp_only = False

    def opaque(self) -> str | None:
        return f"node-{self.host}"

    def on_register(self, request: Request, addr: Any) -> None:
        if request.to.tag:
            self.reply(request, addr, 403, "P04 To tag in REGISTER")
        elif len(request.contacts) != 1:
            self.reply(request, addr, 403, "R47 Multiple Contacts")
        elif len(str(request.contacts[0])) > 512:
            self.reply(request, addr, 403, "P14 Contact too long")
        elif str(request.from_.uri) != str(request.to.uri):
            self.reply(request, addr, 403, "R14 Invalid username")
        elif not self.challenged(request, addr, 401):
            seconds = int(request.headers.get("expires") or "3600")
            self.bound = str(request.contacts[0].uri) if seconds else ""
            contact = f"<{request.contacts[0].uri}>;expires={seconds}"
            self.reply(request, addr, 200, headers=(("Contact", contact),) if seconds else ())
            self._addr = addr

    def on_invite(self, request: Request, addr: Any) -> None:
        if request.to.tag:
            self.reply(request, addr, 488)
        elif not self.challenged(request, addr, 407):
            for header in ("p-preferred-identity", "p-asserted-identity", "remote-party-id", "from"):
                value = request.headers.get(header)
                if value:
                    break
            assert value
            shown = value.partition("sip:")[2].partition("@")[0]
            if self.full:
                self.reply(request, addr, 403, "Concurrency limit exceeded D1")
            elif self.srtp_only and b"RTP/SAVP" not in request.body:
                self.reply(request, addr, 488, "Media Encryption Required B3")
            elif not (shown.startswith("+") and shown[1:].isdigit()):
                self.reply(request, addr, 403, "Caller Origination Number is Invalid D35")
            elif shown not in self.numbers:
                self.reply(request, addr, 403, "Caller Origination Number belongs to another user D36")
            elif not request.uri.user.startswith("+"):
                self.reply(request, addr, 404, "No route D40")
            else:
                self._tasks.create_task(self.accept(request, addr))

    def refused(self, refer: Request) -> tuple[int, str] | None:
        if not self.refer_enabled:
            return 405, "REFER not allowed D42"
        target = refer.headers.get("refer-to") or ""
        return None if f"@{self.domain}>" in target else (403, "Forbidden")

    def spelled(self, name: str) -> str:
        return SHORT.get(name.lower(), name)
