"""Twilio with Secure Trunking on: TLS and SRTP both ways; what is plain is turned away."""

from typing import Any

from sipgw.sip.message import Request
from tests.fakes.carriers.secured import Secured
from tests.fakes.carriers.twilio import Twilio


class SecureTwilio(Secured, Twilio):
    """The edge of a trunk with ``secure=true``."""

    host = "127.0.9.22"
    contact = "sip:+14155550100@172.18.5.1:5061;transport=tls"

    def on_invite(self, request: Request, addr: Any) -> None:
        if not request.to.tag and not self.has_keys(request):
            self.reply(request, addr, 488)
        else:
            super().on_invite(request, addr)
