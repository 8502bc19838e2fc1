"""Sound that is wanted at an address to which no way leads from here."""

import asyncio
import socket
from pathlib import Path

import pytest

from sipgw.sip import transports
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from tests.calls.test_cloud_legs import OFFER, phone
from tests.cloud import cloud

ELSEWHERE = OFFER.replace(b"IN IP4 127.0.0.1", b"IN IP6 2001:db8::1")


class NoIPv6(socket.socket):
    """The sockets of a host that has no route for IPv6."""

    def connect(self, address: tuple[str, int]) -> None:  # type: ignore[override]
        if self.family == socket.AF_INET6:
            raise OSError("Network is unreachable")
        super().connect(address)


@pytest.mark.faults("F4")
def test_a_call_whose_sound_cannot_be_reached_over_ipv6_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not answered with an address of this machine, and silence."""

    async def scenario() -> int:
        async with cloud(tmp_path, [], []) as world, phone("127.0.0.1") as caller:
            monkeypatch.setattr(transports.socket, "socket", NoIPv6)  # type: ignore[attr-defined]
            assert not world.gateway.endpoint.reaches(Peer("udp", "2001:db8::1", 5060))
            with pytest.raises(CallFailed) as failed:
                await caller.invite(world.target, "<sip:me@127.0.0.1>", ELSEWHERE)
            return failed.value.ended.status

    assert asyncio.run(scenario()) == 488


def test_what_has_a_way_is_reached() -> None:
    async def scenario() -> bool:
        async with Endpoint(EndpointOptions("127.0.0.1", 0), lambda leg: None, lambda *_: None) as endpoint:
            return endpoint.reaches(Peer("udp", "127.0.0.1", 5060))

    assert asyncio.run(scenario())
