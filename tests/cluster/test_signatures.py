"""A signature that was used at one gateway proves nothing at another."""

from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.cluster.cluster import Cluster
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.stir.verifier import StirVerifier
from tests.cluster.test_cluster import joined, still
from tests.interop.redis import Server
from tests.policy.stir.test_verifier import CALLED, CALLER, TRUNK, invite
from tests.stir_world import StirWorld

pytestmark = pytest.mark.programs("redis")


async def test_a_replayed_signature_is_found_at_another_gateway(redis: Server, tmp_path: Path) -> None:
    world, one, two = StirWorld(tmp_path), joined(redis), joined(redis)

    def checks(cluster: Cluster) -> StirVerifier:
        return StirVerifier(world.options(), world.fetch, lambda: world.now, cluster)

    async with still(one, two), checks(one) as here, checks(two) as there:

        async def found(gateway: StirVerifier, value: str, call: str, trunk: TrunkOptions = TRUNK) -> str:
            verdict = await gateway.verify(invite(value, call_id=call), trunk)
            assert verdict is not None
            return verdict.result

        retried, replayed, elsewhere, alone = (world.identity(CALLER, CALLED) for _ in range(4))
        for signed in (retried, replayed, elsewhere):
            assert await found(here, signed, "a") == "passed"
        assert await found(there, retried, "a") == "passed", "the carrier tries the next gateway"
        assert await found(there, replayed, "b") == "unverified"
        assert await found(there, elsewhere, "a", replace(TRUNK, name="other")) == "failed"
        redis.kill()
        assert await found(here, alone, "c") == "passed"
        assert await found(there, alone, "d") == "passed", "each by itself"
