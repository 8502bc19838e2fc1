"""Fills what is remembered of others over its bounds, for `tests.test_bounds`."""

from collections import OrderedDict
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from sipgw.config.networks import Networks
from sipgw.policy.inbound import admission
from sipgw.sip import resolver
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.message import Request
from sipgw.sip.parse import parse_message
from sipgw.web.authentication import Authentication
from sipgw.web.throttle import TRIES, SignInThrottle, TooManyAttempts
from tests.sip.test_endpoint import LOCAL, OPTIONS, admit_all, pick_up


async def addresses(folder: Path, patch: pytest.MonkeyPatch) -> None:
    hosts = OrderedDict[str, None]()
    for number in range(1100):
        admission._remember(hosts, str(ip_address(number)))
    assert len(hosts) == 1000


async def strangers(folder: Path, patch: pytest.MonkeyPatch) -> None:
    told, request = admission._RefusalLog(), parse_message(OPTIONS)
    assert isinstance(request, Request)
    for number in range(101):
        told.stranger(request, Peer("udp", str(ip_address(number)), 5060), 0.0)
    assert len(told._strangers) == 100


async def nonces(folder: Path, patch: pytest.MonkeyPatch) -> None:
    asking = admission.Admission(admission.AdmissionOptions(), (), (), key=b"k", token=str)._challenger
    for number in range(10_100):
        asking._remember(f"{number:x}.t.m", 1)
    assert len(asking._counts) == 10_000


async def networks(folder: Path, patch: pytest.MonkeyPatch) -> None:
    kept = Networks([("10.0.0.0/8", True)])
    for number in range(5000):
        kept.match(str(ip_address(number)))
    assert len(kept._found) <= 4096


async def good_keys(folder: Path, patch: pytest.MonkeyPatch) -> None:
    accounts = Mock(key=AsyncMock(return_value=Mock()))
    auth = Authentication(Mock(session_idle=60, session_limit=60), accounts)
    for number in range(101):
        await auth._key(str(number))
    assert len(auth._known) == 100


async def tries(folder: Path, patch: pytest.MonkeyPatch) -> None:
    throttle = SignInThrottle()
    with pytest.raises(TooManyAttempts):
        for _ in range(TRIES + 1):
            throttle.take("192.0.2.1", 0.0)


async def observers(folder: Path, patch: pytest.MonkeyPatch) -> Any:
    async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
        kept = endpoint._transports._public_address
        for number in range(1001):
            kept.learn(Peer("udp", f"192.0.2.{number}", 5060), "203.0.113.9", 5060)
        assert len(kept._by) == 1000
        kept.learn(Peer("udp", "192.0.2.1", 5060), "203.0.113.10", 5060)
        assert kept.address(Peer("udp", "192.0.2.1", 5060)) == ("203.0.113.10", 5060), "who has a place keeps it"
        return endpoint.counts


async def found_names(folder: Path, patch: pytest.MonkeyPatch) -> Any:
    known = resolver.Resolver((), lambda _: True, lambda work: work.close(), lambda *_: None)
    patch.setattr(known, "_ask_all", AsyncMock(return_value=(Peer("udp", "192.0.2.1", 5060),)))
    for number in range(1001):
        await known._look_up(Peer("udp", f"{number}.example", 5060))
    assert len(known._known) == 1000
    return known.counts


async def failures(folder: Path, patch: pytest.MonkeyPatch) -> Any:
    async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
        for number in range(1001):
            endpoint.agent.clients.health.failed(Peer("udp", f"h{number}", 5060), 0.0)
        assert len(endpoint.agent.clients.health._failures) == 1000
        return endpoint.counts
