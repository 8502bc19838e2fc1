"""Keys as tones in the sound are listened for where the trunk of the call has them, whoever has called whom."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from sipgw.calls.consult_leg import called
from sipgw.calls.context import CallContext
from sipgw.calls.dialed_connection import DialedConnection
from sipgw.calls.info import CallInfo
from sipgw.calls.negotiation import OurSide
from sipgw.calls.originator import AnsweredCall
from sipgw.calls.request import OriginateRequest
from sipgw.calls.transfer_targets import TransferTarget
from sipgw.config.trunks import TrunkOptions
from sipgw.events import Watchers
from sipgw.sip.dialog import Peer
from sipgw.sip.identity import Identity
from sipgw.sip.uri import Uri

THERE = Peer("udp", "10.0.0.7", 5060)
TONES = b"v=0\r\no=- 1 1 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
"""An answer without telephone events."""


def trunk(*, tones: bool) -> TrunkOptions:
    return TrunkOptions("pbx", "peer", networks=("10.0.0.0/8",), domain="10.0.0.7", inband_keys=tones)


@contextlib.asynccontextmanager
async def reserve(wanted: OriginateRequest, placed: Any) -> AsyncIterator[OriginateRequest]:
    yield wanted


@contextlib.asynccontextmanager
async def answered(offer: bytes) -> AsyncIterator[AnsweredCall]:
    leg: Any = Mock(calling=True, local=offer, remote=TONES)
    yield AnsweredCall(leg, TONES, "pbx")


@pytest.mark.parametrize("tones", [True, False])
def test_of_a_person_who_is_called(tones: bool) -> None:
    async def scenario() -> None:
        channel = Mock(port=20_000)

        async def opened(*_: Any, **__: Any) -> Mock:
            return channel

        def call(target: TransferTarget, shown: str, side: OurSide) -> Any:
            return answered(side.offers("off", THERE)[0])

        trunks = SimpleNamespace(named=lambda name: trunk(tones=tones) if name == "pbx" else None)
        dialer: Any = SimpleNamespace(call=call, admission=SimpleNamespace(trunks=trunks))
        engine: Any = SimpleNamespace(open=opened)
        async with called(TransferTarget(Uri.parse("sip:201@pbx"), "warm"), "", engine, dialer, 1):
            assert channel.connect.call_args.args[0].inband_keys is tones

    asyncio.run(scenario())


@pytest.mark.parametrize("tones", [True, False])
def test_of_a_call_of_ours(tones: bool) -> None:
    """The trunk that took the call decides, not the one that was tried first."""

    async def scenario() -> None:
        info = CallInfo("call", trunk(tones=not tones), Identity(), "out")
        context, channel = CallContext(info, Watchers()), Mock(port=20_000)
        context.line.attach(channel)
        attempt = SimpleNamespace(trunk=trunk(tones=tones), there=THERE)

        async def call(reserved: Any, offers: Any, told: Any) -> AnsweredCall:
            async with answered(offers(attempt)[0]) as made:
                return made

        originator: Any = SimpleNamespace(reserve=reserve, call=call)
        connection = DialedConnection(
            OriginateRequest("201"), originator, context, Mock(spawn=lambda work: work.close())
        )
        assert await connection.begin() is None
        connection.prepare(channel)
        assert await connection.connect(Mock()) is None
        assert channel.connect.call_args.args[0].inband_keys is tones

    asyncio.run(scenario())
