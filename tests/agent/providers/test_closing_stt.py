"""Speech to text that does not close as it should keeps the next one from no call."""

import asyncio

import pytest

from agent.errors import ProviderError
from tests.agent.providers.test_failover_stt import LOST, FakeStt, feed, final, hearing
from tests.fakes.line import Fault, befall


class Clinging(FakeStt):
    """It closes only after this fault."""

    fault: Fault = None

    async def close(self) -> None:
        await super().close()
        await befall(self.fault)


@pytest.mark.parametrize("fault", [RuntimeError("closed twice"), ProviderError("one", "no"), 3600.0])
@pytest.mark.parametrize("opens", [True, False])
def test_the_next_one_hears_the_call(fault: Fault, opens: bool) -> None:
    first = Clinging("one", (500, LOST), open_error=None if opens else LOST)
    second = FakeStt("two", (600, final("Hello.", 0.5)))
    first.fault = fault

    async def scenario(stt, reader):
        await feed(stt, b"\x10" * 8000)
        assert asyncio.get_running_loop().time() < 1002.0
        return await reader.final()

    assert hearing(first, second, scenario=scenario).text == "Hello."
    assert (first.closed, second.closed) == (1, 1)
