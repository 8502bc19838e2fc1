"""A PBX as Asterisk, FreeSWITCH and 3CX behave towards an extension: REGISTER, calls both ways, transfers."""

from typing import Any

from sipgw.sip.message import Request
from tests.fakes.carriers.carrier import Carrier


class Pbx(Carrier):
    """It challenges REGISTER by 401 and calls by `challenge_calls`; the number and the user name may differ (3CX)."""

    host = "127.0.9.41"
    realm = "pbx"

    def __init__(self, extension: str, user: str, password: str, challenge_calls: int = 401) -> None:
        super().__init__()
        self.users = {user: password}
        self.domain = self.host
        self.bound = ""
        self._extension = extension
        self._challenge_calls = challenge_calls

    def on_register(self, request: Request, addr: Any) -> None:
        if request.to.uri.user != self._extension:
            self.reply(request, addr, 404)
        elif not self.challenged(request, addr, 401):
            seconds = int(request.headers.get("expires") or "3600")
            self.bound = str(request.contacts[0].uri) if seconds else ""
            contact = f"<{request.contacts[0].uri}>;expires={min(seconds, 300)}"
            self.reply(request, addr, 200, headers=(("Contact", contact),) if seconds else ())
            self._addr = addr

    def on_invite(self, request: Request, addr: Any) -> None:
        if request.to.tag:
            self.reply(request, addr, 488)
        elif not self.challenged(request, addr, self._challenge_calls):
            if request.uri.user == "200":
                self._tasks.create_task(self.accept(request, addr))
            else:
                self.reply(request, addr, 404)

    async def qualify(self) -> int:
        """Ask by OPTIONS whether the extension is there, as Asterisk does every 30 s; returns the status."""
        call_id = self.token()
        lines = (
            ("Via", f"SIP/2.0/UDP {self.place};branch=z9hG4bK{self.token()};rport"),
            ("From", f"<sip:{self._extension}@{self.domain}>;tag={self.token()}"),
            ("To", f"<{self.bound}>"),
            ("Call-ID", call_id),
            ("CSeq", "1 OPTIONS"),
            ("Max-Forwards", "70"),
            ("Contact", f"<{self._contact}>"),
        )
        return (await self._exchange("OPTIONS", self.bound, lines, b"", call_id, 1)).status

    def refused(self, refer: Request) -> tuple[int, str] | None:
        return None if "sip:200@" in (refer.headers.get("refer-to") or "") else (404, "Not Found")
