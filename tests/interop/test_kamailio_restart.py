"""Kamailio dies in the middle of a call and comes back without its registrations, as after a power cut."""

import asyncio
import signal
from pathlib import Path

import pytest

from sipgw.sip.endpoint import CallFailed
from tests.interop.desks import DeskCall, until
from tests.interop.test_kamailio_calls import Domain, domain
from tests.waiting import HANG

pytestmark = [pytest.mark.slow, pytest.mark.programs("kamailio")]


async def called_again(one: Domain) -> DeskCall:
    """A call to the agent, once the proxy knows again where it is; before that it answers 404."""
    while True:
        try:
            return await one.desks.call("202", "agent")
        except CallFailed as failed:
            assert failed.ended.status == 404, failed
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_call_goes_on_and_the_gateway_registers_again(
    tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sound is direct, so neither side notices; the BYE passes once the proxy is back, and so do further calls."""

    async def scenario() -> None:
        async with domain(tmp_path, transport, options_every=2.0, expires=3600.0) as one:
            call = await one.desks.call("201", "agent")
            session = await one.session("201")
            await one.talk(session, call, "Before the cut.")

            def health() -> str:
                (trunk,) = one.world.gateway.status()
                return trunk.health

            await until(lambda: health() == "up")
            await one.proxy.stop(signal.SIGKILL)
            await until(lambda: health() == "down")
            await one.talk(session, call, "While it is away.")
            await one.proxy.start()
            await until(lambda: health() == "up")
            async with asyncio.timeout(HANG):
                again = await called_again(one)
            other = await one.session("202")
            await one.talk(other, again, "After the cut.")
            await one.talk(session, call, "Still the first call.")
            call.leg.hangup()
            assert (await one.record(session.info.id))["ending"] == "caller_hung_up"
            other.call_control.end("done")
            assert (await one.record(other.info.id))["ending"] == "ended_here"
            assert (await again.over()).how == "BYE"

    for module in ("sip.probe", "config.trunks"):
        monkeypatch.setattr(f"sipgw.{module}.SHORTEST", 1.0)
    asyncio.run(scenario())
