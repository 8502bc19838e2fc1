"""The recipe for FreeSWITCH against what FreeSWITCH was observed to answer: there is no package of it to run."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.calls.request import OriginateRequest
from tests.cloud import Cloud
from tests.fakes.carriers.carrier import Call
from tests.fakes.carriers.freeswitch import FreeSwitch, SecureFreeSwitch
from tests.fakes.carriers.secured import SecureRtp
from tests.recipes import configured, written
from tests.sip.certificates import Authority
from tests.trunks.test_recipes import ending, no_faults
from tests.waiting import HANG

VARIABLES = {"PBX_USER": "700", "PBX_PASSWORD": "pbx-password"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attended", "busy", "ends"),
    [(False, False, "transfer_unproven"), (True, False, "transferred"), (True, True, "transfer_failed")],
)
def test_a_caller_is_transferred_and_the_record_says_what_is_known(
    tmp_path: Path, attended: bool, busy: bool, ends: str
) -> None:
    """Only an attended transfer proves that somebody answered, and loses nobody if they do not."""

    async def scenario() -> None:
        async with FreeSwitch() as pbx:
            pbx.busy = {"200"} if busy else set()
            config = written(tmp_path, "freeswitch", VARIABLES | {"PBX_ADDRESS": pbx.place}, everything=False)
            async with configured(
                tmp_path, config, pbx, deaf=True,
                trunk=lambda one: replace(one, transfer_to="200", attended_transfer=attended),
            ) as world:  # fmt: skip
                await pbx.until(lambda: pbx.bound, "registered")
                status, call = await pbx.call(pbx.bound, pbx._addr, caller="1002")
                assert status == 200
                await asyncio.wait_for(call.ended.wait(), HANG)
                assert (await ending(world.gateway))["ending"] == ends
                assert len(pbx.transferred) == (not busy)
                assert all(("Replaces=" in one) is attended for one in pbx.transferred)
        no_faults(pbx)

    asyncio.run(scenario())


@contextlib.asynccontextmanager
async def encrypted(folder: Path, srtp: str) -> AsyncIterator[tuple[SecureFreeSwitch, Cloud]]:
    """The gateway with the recipe as its line on encryption says; `srtp` is that of the trunk."""
    authority = Authority(folder)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.root.issue_cert(SecureFreeSwitch.host).configure_cert(server)
    async with SecureFreeSwitch().secure(server, ssl.create_default_context(cafile=str(authority.ca))) as pbx:
        config = written(folder, "freeswitch", VARIABLES | {"PBX_ADDRESS": pbx.place}, everything=False)
        change = lambda one: replace(one, registrar=f"{one.registrar};transport=tls", srtp=srtp)  # noqa: E731
        async with configured(folder, config, pbx, ca=str(authority.ca), trunk=change) as world:
            await pbx.until(lambda: pbx.bound, "registered over TLS")
            yield pbx, world
    no_faults(pbx)


@pytest.mark.slow
@pytest.mark.parametrize("srtp", ["required", "optional"])
def test_calls_are_encrypted_both_ways(tmp_path: Path, srtp: str) -> None:
    """It answers 488 to keys in RTP/AVP, and challenges a call by 407 over TLS, too."""

    async def scenario() -> None:
        async with encrypted(tmp_path, srtp) as (pbx, world):
            status, call = await pbx.call(pbx.bound, pbx._addr, caller="1002")
            assert status == 200
            await sound_under_keys(pbx, call)
            assert await pbx.hang_up(call) == 200
            handle = world.gateway.originate(OriginateRequest("200", "agent", trunk="freeswitch"))
            await pbx.until(lambda: len(pbx.calls) == 2, "called")
            await sound_under_keys(pbx, list(pbx.calls.values())[-1])
            handle.stop()
            assert (await handle.ended()).kind == "cancelled"

    asyncio.run(scenario())


async def sound_under_keys(pbx: SecureFreeSwitch, call: Call) -> None:
    """Wait for sound under the keys that the gateway told."""
    assert isinstance(call.rtp, SecureRtp)
    await pbx.until(lambda: call.rtp.received > 25, "sound under the gateway's keys")
    assert call.rtp.forged == 0
