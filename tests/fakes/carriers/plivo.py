"""Plivo Zentrunk: few methods, transfers within its own domain, it hangs up after a transfer and when RTP stops."""

from typing import Any

from sipgw.sip.message import Request
from tests.fakes.carriers.carrier import Call, Carrier


class Plivo(Carrier):
    """Trunk 1234567890.zt.plivo.com."""

    host = "127.0.9.31"
    realm = "plivo.com"
    domain = "1234567890.zt.plivo.com"
    users = {"acme": "plivo-password"}  # noqa: RUF012
    methods = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REFER", "UPDATE")  # type: ignore[assignment]
    numbers = ("+14155550111",)
    hangs_up_after_transfer = True

    def on_invite(self, request: Request, addr: Any) -> None:
        if "100rel" in request.require:
            self.faults.append("Require: 100rel; PRACK is not supported")
        if request.to.tag:
            self.reply(request, addr, 488)
        elif not self.challenged(request, addr, 401):
            shown = {
                request.from_.uri.user,
                (request.headers.get("p-asserted-identity") or "").partition("sip:")[2].partition("@")[0],
            }
            if shown != set(self.numbers):
                self.reply(request, addr, 403)
            else:
                self._tasks.create_task(self.accept(request, addr))

    async def ring(self, dialled: str, addr: tuple[str, int]) -> tuple[int, Call]:
        """Send a call to the primary URI."""
        return await self.call(f"sip:{dialled}@{addr[0]}:{addr[1]}", addr, (("Allow", ", ".join(self.methods)),))

    async def watch(self, call: Call, packets: int) -> None:
        """Hang up with 3020 if the sound stops: `packets` must come."""
        try:
            await self.until(lambda: call.rtp.received >= packets, "RTP stopped")
        except AssertionError:
            await self.hang_up(call, (("X-ZT-Hangup-Code", "3020"),))
            raise

    def refused(self, refer: Request) -> tuple[int, str] | None:
        target = refer.headers.get("refer-to") or ""
        return None if f"@{self.domain}>" in target else (403, "Forbidden")
