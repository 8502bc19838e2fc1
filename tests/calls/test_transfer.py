"""Where the calls of a transfer go: a host that somebody named is never called directly if we do not know it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from sipgw.calls.negotiation import OurSide
from sipgw.calls.transfer_legs import invite_on_trunk
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.dialog import Peer
from sipgw.sip.uri import Uri

PEER: dict[str, Any] = {"name": "pbx", "mode": "peer", "networks": ("10.0.0.0/8",)}
REGISTERED: dict[str, Any] = {"name": "telnyx", "mode": "register", "registrar": "sip.telnyx.com", "user": "u"}


@pytest.mark.parametrize(
    ("options", "target", "called", "proxy"),
    [
        (PEER, "sip:201@10.0.0.5", "sip:201@10.0.0.5", None),
        (PEER, "sip:201@contact.example", "sip:201@contact.example", None),
        (PEER | {"user": "u"}, "sip:201@contact.example", "sip:201@contact.example", None),
        (PEER | {"user": "u"}, "sip:201@10.0.0.5", "sip:201@10.0.0.5", None),
        (REGISTERED, "sip:x@contact.example", "sip:x@contact.example", None),
        (PEER, "sip:201@evil.example", "sip:201@evil.example", "sip:10.0.0.5:5062"),
        (PEER, "tel:+14155550123", "sip:+14155550123@10.0.0.5:5062", None),
        (PEER | {"transfer_to": "sip:me@desk.example"}, "sip:me@desk.example", "sip:me@desk.example", None),
        (PEER | {"outbound_proxy": "sip:edge"}, "sip:201@10.0.0.5", "sip:201@10.0.0.5", "sip:edge"),
        (REGISTERED, "tel:+14155550123", "sip:+14155550123@sip.telnyx.com", None),
        (REGISTERED, "sip:x@evil.example", "sip:x@evil.example", "sip:sip.telnyx.com"),
    ],
)
def test_calls_go_where_the_trunk_is(options: dict[str, Any], target: str, called: str, proxy: str | None) -> None:
    """The host that the other side gives as its own is called, but it may be anybody's: it gets no credentials."""
    trunk = TrunkOptions(**options)
    made: list[tuple[str, str, str | None, object]] = []

    class FakeEndpoint:
        def contact_host(self, peer: Peer) -> str:
            return "10.0.0.1"

        async def invite(self, target, from_, *offers, credentials, proxy, peer, fields, early):
            assert offers
            made.append((str(target), from_, None if proxy is None else str(proxy), credentials))
            return SimpleNamespace(let_refer=lambda: None), b"answer"

    leg: Any = SimpleNamespace(
        source=Peer("udp", "10.0.0.5", 5062), target=Uri.parse("sip:pbx@contact.example"), identity="<sip:agent@us>"
    )
    endpoint: Any = FakeEndpoint()
    asyncio.run(invite_on_trunk(endpoint, trunk, Uri.parse(target), leg, OurSide(4000)))
    assert made == [(called, "<sip:agent@us>", proxy, None if "contact.example" in called else trunk.credentials)]


@pytest.mark.faults("G1")
@pytest.mark.parametrize(
    ("target", "keys"),
    [("sip:201@10.0.0.5;transport=udp", [0]), ("sip:201@10.0.0.5;transport=tls", [4, 4, 0])],
    ids=["UDP", "TLS"],
)
def test_who_is_consulted_is_offered_keys_only_where_nobody_on_the_way_reads_them(target: str, keys: list[int]) -> None:
    offered: list[int] = []

    class FakeEndpoint:
        def contact_host(self, peer: Peer) -> str:
            return "10.0.0.1"

        async def invite(self, target, from_, *offers, **more):
            offered.extend(offer.count(b"a=crypto:") for offer in offers)
            return SimpleNamespace(let_refer=lambda: None), b""

    leg: Any = SimpleNamespace(source=Peer("tls", "10.0.0.5", 5061), target=Uri.parse(target), identity="<sip:a@us>")
    endpoint: Any = FakeEndpoint()
    asyncio.run(invite_on_trunk(endpoint, TrunkOptions(**PEER), Uri.parse(target), leg, OurSide(4000)))
    assert offered == keys


@pytest.mark.faults("G1")
@pytest.mark.parametrize(
    ("target", "called", "proxy"),
    [
        ("tel:+14155550123", "sip:+14155550123@10.0.0.5;transport=tls", None),
        ("sip:201@evil.example", "sip:201@evil.example", "sip:10.0.0.5;transport=tls"),
        ("sip:201@10.0.0.5", "sip:201@10.0.0.5;transport=tls", None),
        ("sip:201@contact.example", "sip:201@10.0.0.5;transport=tls", None),
    ],
)
def test_a_peer_that_called_over_tls_is_called_over_its_connection(target: str, called: str, proxy: str | None) -> None:
    """Over UDP everybody on the way could read whom the caller is connected with."""
    made: list[tuple[str, str | None, Peer, int]] = []

    class FakeEndpoint:
        def contact_host(self, peer: Peer) -> str:
            return "10.0.0.1"

        async def invite(self, target, from_, *offers, credentials, proxy, peer, fields, early):
            keys = offers[0].count(b"a=crypto:")
            made.append((str(target), None if proxy is None else str(proxy), peer, keys))
            return SimpleNamespace(let_refer=lambda: None), b""

    source = Peer("tls", "10.0.0.5", 40123, connection=7, name="pbx.example")
    leg: Any = SimpleNamespace(source=source, target=Uri.parse("sip:pbx@contact.example"), identity="<sip:a@us>")
    endpoint: Any = FakeEndpoint()
    asyncio.run(invite_on_trunk(endpoint, TrunkOptions(**PEER), Uri.parse(target), leg, OurSide(4000)))
    assert made == [(called, proxy, source._replace(port=5061), 4)]
