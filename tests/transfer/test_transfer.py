"""Where the calls of a transfer go: a host that somebody named is never called directly if we do not know it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from sipgw.sip.dialog import Peer
from sipgw.sip.uri import Uri
from sipgw.transfer.transfer import dialling
from sipgw.trunks.trunks import TrunkOptions

PEER: dict[str, Any] = {"name": "pbx", "mode": "peer", "networks": ("10.0.0.0/8",)}
REGISTERED: dict[str, Any] = {"name": "telnyx", "mode": "register", "registrar": "sip.telnyx.com", "user": "u"}


@pytest.mark.parametrize(
    ("options", "target", "called", "proxy"),
    [
        (PEER, "sip:201@10.0.0.5", "sip:201@10.0.0.5", None),
        (PEER, "sip:201@contact.example", "sip:201@contact.example", None),
        (PEER, "sip:201@evil.example", "sip:201@evil.example", "sip:10.0.0.5:5062"),
        (PEER, "tel:+14155550123", "sip:+14155550123@10.0.0.5:5062", None),
        (PEER | {"transfer_to": "sip:me@desk.example"}, "sip:me@desk.example", "sip:me@desk.example", None),
        (PEER | {"outbound_proxy": "sip:edge"}, "sip:201@10.0.0.5", "sip:201@10.0.0.5", "sip:edge"),
        (REGISTERED, "tel:+14155550123", "sip:+14155550123@sip.telnyx.com", None),
        (REGISTERED, "sip:x@evil.example", "sip:x@evil.example", "sip:sip.telnyx.com"),
    ],
)
def test_calls_go_where_the_trunk_is(options: dict[str, Any], target: str, called: str, proxy: str | None) -> None:
    trunk = TrunkOptions(**options)
    made: list[tuple[str, str, str | None, object]] = []

    class FakeEndpoint:
        async def invite(self, target, from_, offer, *, credentials, proxy, fields):
            made.append((str(target), from_, None if proxy is None else str(proxy), credentials))
            return SimpleNamespace(authenticate=lambda credentials: None, let_refer=lambda: None), b"answer"

    leg: Any = SimpleNamespace(
        source=Peer("udp", "10.0.0.5", 5062), target=Uri.parse("sip:pbx@contact.example"), identity="<sip:agent@us>"
    )
    endpoint: Any = FakeEndpoint()
    asyncio.run(dialling(endpoint, trunk)(Uri.parse(target), leg, b"offer", ()))
    assert made == [(called, "<sip:agent@us>", proxy, trunk.credentials)]
