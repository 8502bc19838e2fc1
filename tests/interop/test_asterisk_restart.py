"""Asterisk dies in the middle of a call and comes back without its registrations, as after a power cut."""

import asyncio
from pathlib import Path

import pytest

from sipgw.sip.probe import AWAY
from tests.interop.desks import until
from tests.interop.office import office

pytestmark = [pytest.mark.slow, pytest.mark.programs("asterisk")]


def test_the_call_is_given_up_and_the_gateway_registers_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call ends when no sound has come for a while; OPTIONS finds the PBX back, which is registered with anew.

    So it is if the PBX was away for a moment only.
    """

    async def scenario() -> None:
        async with office(tmp_path, options_every=2.0, expires=3600.0) as one:
            call = await one.desks.call("201", "700")
            session = await one.session("201")
            await one.talk(session, call, "Before the cut.")

            def health() -> str:
                return next(trunk.health for trunk in one.world.gateway.status() if trunk.name == "asterisk")

            await until(lambda: health() == "up")
            one.pbx.kill()
            record = await one.record(session.info.id)
            assert record["ending"] == "line_lost"
            assert "no sound" in record["cause"]
            await until(lambda: health() == "down")
            one.pbx.start()
            await until(lambda: health() == "up")
            await until(lambda: "agent/sip:agent@" in one.pbx.rx("pjsip show contacts"))
            again = await one.desks.call("202", "700")
            session = await one.session("202")
            await one.talk(session, again, "After the cut.")
            again.leg.hangup()
            assert (await one.record(session.info.id))["ending"] == "caller_hung_up"
            probe = one.world.gateway.watch._probes["asterisk"]
            one.pbx.kill()
            await until(lambda: probe._timer is None and asyncio.get_running_loop().time() - probe._asked > AWAY)
            one.pbx.start()
            await until(lambda: "agent/sip:agent@" in one.pbx.rx("pjsip show contacts"))
            call.leg.hangup()
            await asyncio.sleep(0)

    for module in ("sip.probe", "config.trunks"):
        monkeypatch.setattr(f"sipgw.{module}.SHORTEST", 1.0)
    monkeypatch.setattr("sipgw.calls.phone_line.NO_RTP_LIMIT", 5.0)
    asyncio.run(scenario())
