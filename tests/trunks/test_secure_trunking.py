"""`sipgw init twilio-secure` against Twilio with Secure Trunking: TLS and SRTP both ways, and nothing else."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sipgw.calls.request import OriginateRequest
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.offer_answer import LocalMedia, make_offer
from tests.cloud import Cloud
from tests.fakes.carriers.secured import SecureRtp
from tests.fakes.carriers.twilio_secure import SecureTwilio
from tests.recipes import OFFER, configured, written
from tests.sip.certificates import Authority
from tests.trunks.test_recipes import OURS, TWILIO, ending, no_faults, one_with


def edge(authority: Authority, issuer: Authority) -> SecureTwilio:
    """With a wildcard certificate, as Twilio has; it wants a good one of us too."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.root.issue_cert("*.pstn.twilio.com").configure_cert(server)
    return SecureTwilio().secure(server, ssl.create_default_context(cafile=str(authority.ca)))


def zone(carrier: SecureTwilio) -> str:
    name = "acme.pstn.twilio"
    return f"_sips._tcp.{name} 300 IN SRV 1 10 {carrier.port} node.{name}\nnode.{name} 300 IN A {carrier.host}\n"


@contextlib.asynccontextmanager
async def secured(folder: Path, *, impostor: bool = False) -> AsyncIterator[tuple[SecureTwilio, Cloud]]:
    authority, other = Authority(folder), Authority(folder)
    certificate = str(authority.issue("127.0.0.1"))
    variables = TWILIO | {"TLS_CERTIFICATE": certificate, "TLS_KEY": certificate}
    async with edge(authority, other if impostor else authority) as carrier:
        config = written(folder, "twilio-secure", variables)
        async with configured(
            folder,
            config,
            carrier,
            zone=zone(carrier),
            ca=str(authority.ca),
            trunk=lambda one: one_with(one, caller_id=OURS, calls_per_second=10),
        ) as world:
            yield carrier, world


@pytest.mark.slow
def test_a_call_comes_in_over_tls_with_encrypted_sound(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with secured(tmp_path) as (carrier, world):
            gateway = world.gateway
            status, call = await carrier.ring(OURS, ("127.0.0.1", gateway.endpoint.tls_port))
            assert status == 200
            await carrier.until(lambda: call.rtp.received > 50, "sound came, and under the key that we were told")
            assert isinstance(call.rtp, SecureRtp)
            assert call.rtp.forged == 0
            assert await carrier.hang_up(call) == 200
            record = await ending(gateway)
            assert (record["trunk"], record["ending"]) == ("twilio", "caller_hung_up")
            await carrier.until(lambda: gateway.status()[0].health == "up", "health by OPTIONS, over TLS")
            assert carrier.tls.versions <= {"TLSv1.2", "TLSv1.3"}
        no_faults(carrier)

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_plain_call_is_refused_on_both_sides(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with secured(tmp_path) as (carrier, world):
            carrier.offer_sdp = lambda rtp: carrier.sdp(rtp.port)  # type: ignore[method-assign]
            assert (await carrier.ring(OURS, ("127.0.0.1", world.gateway.endpoint.tls_port)))[0] == 488
            with pytest.raises(CallFailed) as failed:
                async with world.gateway.originator.originate(
                    OriginateRequest("+14155550122"), lambda attempt: (OFFER,)
                ):
                    pass
            assert failed.value.ended.status == 488
        no_faults(carrier)

    asyncio.run(scenario())


@pytest.mark.parametrize("suite", ["80", "32"])
def test_a_call_goes_out_over_tls_with_keys(tmp_path: Path, suite: str) -> None:
    async def scenario() -> None:
        local = LocalMedia("127.0.0.1", 4000, srtp="required", tls=False).of_leg("x", bytes(range(64)), tls=False)
        offer = make_offer(local)
        if suite == "32":
            offer = b"\r\n".join(line for line in offer.split(b"\r\n") if b"SHA1_80" not in line)
        async with (
            secured(tmp_path) as (carrier, world),
            world.gateway.originator.originate(OriginateRequest("+14155550122"), lambda attempt: (offer,)) as made,
        ):
            assert made.answer is not None
            assert f"AES_CM_128_HMAC_SHA1_{suite} ".encode() in made.answer
            made.leg.hangup()
            (call,) = carrier.calls.values()
            await call.ended.wait()
        no_faults(carrier)

    asyncio.run(scenario())


def test_a_call_to_who_only_says_to_be_twilio_is_not_made(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with secured(tmp_path, impostor=True) as (carrier, world):
            with pytest.raises(CallFailed, match="certificate not accepted"):
                async with world.gateway.originator.originate(
                    OriginateRequest("+14155550122"), lambda attempt: (OFFER,)
                ):
                    pass
            assert not carrier.requests

    asyncio.run(scenario())
