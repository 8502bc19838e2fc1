"""The recipe for FreeSWITCH against what FreeSWITCH was observed to answer: there is no package of it to run."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.carriers.freeswitch import FreeSwitch
from tests.recipes import configured, written
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
