"""A colleague puts somebody through to the agent: who speaks now is the caller for all that is kept and promised."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.calls.info import MOST_REPLACED, CallInfo
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.identity import Identity
from sipgw.trunks.trunks import LOCAL_TRUNK
from tests.calls.test_cloud_call import records
from tests.calls.test_cloud_legs import OFFER, phone
from tests.cloud import cloud
from tests.fakes.openai import Reply
from tests.waiting import until

pytestmark = pytest.mark.slow

RECEPTION, CALLER = "+14155550100", "+14155550123"


def asserting(number: str) -> tuple[tuple[str, str], ...]:
    return (("P-Asserted-Identity", f"<sip:{number}@pbx>"),)


@pytest.mark.faults("G7")
@pytest.mark.parametrize("trusted", [True, False])
def test_who_is_put_through_by_an_update_is_the_caller(tmp_path: Path, *, trusted: bool) -> None:
    trunk = TrunkOptions("pbx", "peer", networks=("127.0.0.0/8",), country="US", trust_identity=trusted)

    async def scenario() -> None:
        async with cloud(tmp_path, [], [Reply()], trunks=(trunk,)) as world, phone("127.0.0.1") as reception:
            from_ = f"<sip:{RECEPTION}@127.0.0.1>"
            leg, _ = await reception.invite(world.target, from_, OFFER, fields=asserting(RECEPTION))
            (live,) = world.gateway.calls.values()
            told: list[str] = []
            for number in ("4155550123", "4155550123"):
                leg._call.request(
                    "UPDATE", asyncio.get_running_loop().time(), fields=asserting(number),
                    on_final=lambda response, now: told.append(str(response and response.status)),
                )  # fmt: skip
                reception._flush()
            await until(lambda: told == ["200", "200"])
            assert (live.info.caller, live.info.other) == ((CALLER,) * 2 if trusted else (RECEPTION,) * 2)
            leg.hangup()
            (record,) = await records(world.gateway)
            assert record["caller"] == (CALLER if trusted else RECEPTION)
            assert record["identity"]["number"] == RECEPTION, "who called first stays known"
            replaced = [one["number"] for one in record["identity"].get("replaced_by", [])]
            assert replaced == ([CALLER] if trusted else [])

    asyncio.run(scenario())


@pytest.mark.faults("G7")
def test_who_is_put_through_and_withheld_stays_so_when_the_one_before_was_withheld_too(tmp_path: Path) -> None:
    trunk = TrunkOptions("pbx", "peer", networks=("127.0.0.0/8",), country="US")
    hidden = (("Privacy", "id"),)

    async def scenario() -> None:
        async with cloud(tmp_path, [], [Reply()], trunks=(trunk,)) as world, phone("127.0.0.1") as reception:
            fields = (*asserting(RECEPTION), *hidden)
            leg, _ = await reception.invite(world.target, "<sip:r@127.0.0.1>", OFFER, fields=fields)
            (live,) = world.gateway.calls.values()
            told: list[str] = []
            for changed in ((*asserting(CALLER), *hidden), (*asserting(CALLER), *hidden), asserting(CALLER)):
                leg._call.request(
                    "UPDATE", asyncio.get_running_loop().time(), fields=changed,
                    on_final=lambda response, now: told.append(str(response and response.status)),
                )  # fmt: skip
                reception._flush()
            await until(lambda: told == ["200"] * 3)
            assert (live.info.caller, live.info.other) == ("withheld", "")
            leg.hangup()
            (record,) = await records(world.gateway)
            assert CALLER not in str(record)
            assert len(record["identity"]["replaced_by"]) == 1

    asyncio.run(scenario())


@pytest.mark.faults("G7")
def test_who_hides_then_is_withheld_and_the_receptionist_is_not_taken_for_them() -> None:
    live = CallInfo("c", LOCAL_TRUNK, Identity(RECEPTION, dialled="100"))
    live.spoken_by(Identity(withheld=True))
    assert (live.caller, live.other, live.identity.dialled) == ("withheld", "", "100")


@pytest.mark.faults("G7")
def test_however_often_the_caller_changes_what_is_kept_is_bounded() -> None:
    live = CallInfo("c", LOCAL_TRUNK, Identity(RECEPTION))
    for number in range(100):
        live.spoken_by(replace(live.identity, number=f"+1415555{number:04}"))
    assert len(live.replaced_by) == MOST_REPLACED
    assert live.replaced_by[-1]["number"] == live.caller == "+14155550099"
