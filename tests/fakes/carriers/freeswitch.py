"""FreeSWITCH as 1.10.12 was observed: strict about keys, and quick to report a transfer."""

import re
from typing import Any
from urllib.parse import unquote

from sipgw.sip.message import Request
from tests.fakes.carriers.carrier import Call
from tests.fakes.carriers.pbx import Pbx
from tests.fakes.carriers.secured import Secured

REPLACES = re.compile(r"\?Replaces=([^>&]+)")


class FreeSwitch(Pbx):
    """Challenges calls by 407, takes keys in RTP/SAVP only, and reports a blind transfer as done before it dials."""

    host = "127.0.9.42"

    def __init__(self) -> None:
        super().__init__("700", "700", "pbx-password", 407)
        self.busy: set[str] = set()
        """Extensions that answer 486."""

    def on_invite(self, request: Request, addr: Any) -> None:
        if b"a=crypto" in request.body and self.transport == "UDP":
            self.faults.append("keys over UDP")
        if b"a=crypto" in request.body and b"RTP/AVP" in request.body:
            self.reply(request, addr, 488)
        elif request.uri.user in self.busy and not self.challenged(request, addr, 407):
            self.reply(request, addr, 486)
        else:
            super().on_invite(request, addr)

    def refused(self, refer: Request) -> tuple[int, str] | None:
        """A call that a Refer-To replaces has to be here; FreeSWITCH cannot tell whether the person answers."""
        found = REPLACES.search(refer.headers.get("refer-to") or "")
        if found is None:
            return None
        call_id, *tags = unquote(found[1]).split(";")
        call = self.calls.get(call_id)
        if call is None or sorted(tags) != [f"from-tag={call.theirs}", f"to-tag={call.ours}"]:
            return 481, "No such call"
        return None

    async def _report(self, call: Call) -> None:
        fields = (("Event", "refer"), ("Subscription-State", "terminated;reason=noresource"))
        await self.request(call, "NOTIFY", fields, b"SIP/2.0 200 OK\r\n", "message/sipfrag;version=2.0")


class SecureFreeSwitch(Secured, FreeSwitch):
    """Its profile for TLS, and ``rtp_secure_media=mandatory`` for its calls."""

    host = "127.0.9.43"
