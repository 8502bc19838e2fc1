"""Calls that nobody hangs up: SIPp sends no sound, an answer that is of no use, no refresh. They end as `line_lost`."""

import asyncio
from pathlib import Path

import pytest

from sipgw.calls import phone_line
from sipgw.calls.request import OriginateRequest
from sipgw.records.captures.explain import explain
from sipgw.sip import endpoint_options, session_timer
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, answer
from tests.callee import Callee, callee
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.interop.scenario import SDP, answered, invite, reply, request, scenario, wanted
from tests.outbound.test_call_out import NUMBER, calling_out
from tests.waiting import HANG, SIPP_LIMIT

G729 = SDP.format(port=6000).replace("AVP 0 101", "AVP 18").replace("a=rtpmap:101 telephone-event/8000\n", "")
LATE_OFFER = invite().replace(SDP.format(port=6000), "").replace("Content-Type: application/sdp\n", "")
LATE_ANSWER = answered().replace(
    request("ACK", 1), request("ACK", 1, "Content-Type: application/sdp", body=G729)
)  # fmt: skip
HANGS_UP = (wanted("BYE"), reply(200, "OK"))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes half a minute takes two or three seconds."""
    for module in (session_timer, endpoint_options):
        monkeypatch.setattr(module, "MIN_SE", 3)
    monkeypatch.setattr(phone_line, "NO_RTP_LIMIT", 2.0)


@pytest.mark.programs("sipp")
@pytest.mark.parametrize(
    ("steps", "cause", "told"),
    [
        ((invite(), answered()), "no sound arrived for ", "No sound arrived from the other side"),
        ((LATE_OFFER, LATE_ANSWER), "the late answer cannot be used", "could not agree on a codec"),
        (
            (invite("Supported: timer", "Session-Expires: 3;refresher=uac"), answered()),
            "network: session expired", "no longer answered session refreshes",
        ),
    ],
    ids=["no sound", "late answer", "no refresh"],
)  # fmt: skip
def test_a_line_that_broke_was_not_hung_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: tuple[str, ...], cause: str, told: str
) -> None:
    if "session" in cause:
        monkeypatch.setattr(phone_line, "NO_RTP_LIMIT", 30.0)
    (tmp_path / "caller.xml").write_text(scenario(*steps, *HANGS_UP))

    async def run() -> dict[str, object]:
        async with cloud(tmp_path, [], []) as world, asyncio.timeout(HANG):
            sipp = await asyncio.create_subprocess_exec(
                "sipp", f"127.0.0.1:{world.gateway.endpoint.port}", "-i", "127.0.0.1", "-sf", "caller.xml", "-m", "1",
                "-nostdin", "-timeout", SIPP_LIMIT, "-timeout_error",
                cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            shown, _ = await sipp.communicate()
            assert sipp.returncode == 0, shown.decode()[-2000:]
            (record,) = await records(world.gateway)
        return dict(record)

    record = asyncio.run(run())
    assert (record["ending"], str(record["cause"]).startswith(cause)) == ("line_lost", True), record["cause"]
    assert told in explain({"kind": record["ending"], "cause": record["cause"]}).what


def test_who_is_called_and_not_heard_has_not_hung_up_either(tmp_path: Path) -> None:
    def mute(person: Callee, leg: Leg) -> None:
        leg.answer(answer(leg.offer or b"", LocalMedia("127.0.0.1", 9, tls=False)).sdp)

    async def run() -> None:
        async with callee(mute) as person, calling_out(tmp_path, person) as (world, _):
            async with asyncio.timeout(HANG):
                ending = await world.gateway.originate(OriginateRequest(NUMBER, "agent")).ended()
            assert ending.kind == "line_lost"
            assert ending.cause.startswith("no sound arrived for ")

    asyncio.run(run())
