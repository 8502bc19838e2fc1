"""The claims of a signature are compared with where the call goes, and the verdict tells no withheld number."""

import asyncio
import threading
from pathlib import Path

import pytest

from sipgw.policy.stir.certificates import PROOFS, Certificates
from sipgw.policy.stir.verifier import StirVerifier
from sipgw.sip.identity import Stir
from tests.policy.stir.test_verifier import CALLED, CALLER, OTHER, SOFTPHONES, TRUNK, invite, verdict
from tests.stir_world import URL, StirWorld
from tests.waiting import HANG, until


@pytest.fixture
def world(tmp_path: Path) -> StirWorld:
    return StirWorld(tmp_path)


def results(world: StirWorld, *requests: object, trunk: object = TRUNK) -> list[str]:
    return [one.result if one else "" for one in verdict(world, *requests, trunk=trunk)]  # type: ignore[arg-type]


def test_a_signature_for_the_number_in_to_proves_nothing_about_a_call_to_another_number(world: StirWorld) -> None:
    """The receiver of a signed call may send its signature on to us within a minute."""
    value = world.identity(CALLER, CALLED)
    (found,) = verdict(world, invite(value, uri=OTHER))
    assert found is not None
    assert (found.result, found.attestation) == ("unverified", "")
    assert results(world, invite(value, to=OTHER, uri=CALLED)) == ["passed"]


def test_to_counts_where_the_request_uri_has_no_number(world: StirWorld) -> None:
    value = world.identity(CALLER, CALLED)
    assert results(world, invite(value, uri="agent"), invite(value, to=OTHER, uri="agent")) == ["passed", "failed"]


def test_the_called_party_of_a_trusted_trunk_counts_before_the_request_uri(world: StirWorld) -> None:
    value = world.identity(CALLER, CALLED)
    told = invite(value, uri="100200300", more=(f"P-Called-Party-ID: <sip:{CALLED}@x>",))
    assert results(world, told) == ["passed"]
    assert results(world, told, trunk=SOFTPHONES) == ["unverified"], "a stranger may have written it"


@pytest.mark.parametrize("caller", ["anonymous", OTHER])
def test_the_number_of_a_withheld_caller_is_not_told(world: StirWorld, caller: str) -> None:
    """Its carrier signs it, and the trunk does not show it."""
    request = invite(world.identity(CALLER, CALLED), caller=caller, more=("Privacy: id",))
    (found,) = verdict(world, request, trunk=SOFTPHONES)
    assert found is not None
    assert found.result == ("unverified" if caller == "anonymous" else "failed")
    (other,) = verdict(world, invite(world.identity(CALLER, OTHER)))
    assert other is not None
    assert not any(number[1:] in one.reason for number in (CALLER, OTHER) for one in (found, other))


@pytest.mark.parametrize(("caller", "result"), [(CALLER, "passed"), (OTHER, "failed")])
def test_a_slow_header_takes_no_verdict_of_another_along(world: StirWorld, caller: str, result: str) -> None:
    """Somebody on the way has added it."""
    slow, hangs = f"{URL}?slow", asyncio.Event()

    async def scene() -> str:
        async def fetch(url: str) -> bytes:
            if url == slow:
                await hangs.wait()
            return world.served[url]

        async with StirVerifier(world.options(limit=0.1), fetch, lambda: world.now) as checks:
            values = world.identity(caller, CALLED), world.identity(CALLER, CALLED, x5u=slow)
            found = await checks.verify(invite(*values), TRUNK)
            return found.result if found else ""

    assert asyncio.run(scene()) == result


def test_a_fault_of_ours_takes_no_verdict_along(world: StirWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Certificates, "chain", lambda *_: 1 // 0)
    values = world.identity(OTHER, CALLED), world.identity(CALLER, CALLED)
    assert results(world, invite(*values), invite(values[1])) == ["failed", "unverified"]


def test_certificates_are_judged_in_threads_of_their_own_and_nobody_is_believed_while_those_are_full(
    world: StirWorld,
) -> None:
    let_go = threading.Event()

    async def scene() -> list[Stir | None]:
        async with StirVerifier(world.options(limit=HANG), world.fetch, lambda: world.now) as checks:
            found = [await checks.verify(invite(world.identity(CALLER, CALLED)), TRUNK)]
            blocked = [PROOFS.submit(let_go.wait, HANG) for _ in range(PROOFS.workers)]
            await until(lambda: PROOFS.busy == PROOFS.workers)
            blocked += [PROOFS.submit(let_go.wait, HANG) for _ in range(PROOFS.waiting)]
            found.append(await checks.verify(invite(world.identity(CALLER, CALLED)), TRUNK))
            let_go.set()
            await until(lambda: all(one.done() for one in blocked))
            return [*found, await checks.verify(invite(world.identity(CALLER, CALLED)), TRUNK)]

    before, full, after = asyncio.run(scene())
    assert before is not None and full is not None and after is not None
    assert [one.result for one in (before, full, after)] == ["passed", "unverified", "passed"]
    assert "too much work" in full.reason
