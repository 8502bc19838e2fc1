"""SIPp as the far end of calls that we make: a carrier that challenges every INVITE, by 407 and then by 401."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from sipgw.sip.digest import Credentials
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, accept_answer, make_offer
from sipgw.sip.uri import Uri
from tests.ports import free_ports
from tests.waiting import HANG, SIPP_LIMIT

pytestmark = pytest.mark.programs("sipp")

SCENARIO = Path(__file__).parent / "sipp" / "challenging_uas.xml"
MEDIA = LocalMedia("127.0.0.1", 4000, tls=False)


async def listening(port: int, transport: str) -> None:
    """Until something listens on `port`; /proc tells without sending it anything."""
    table = Path(f"/proc/net/{transport}")
    while f"0100007F:{port:04X} " not in table.read_text():
        await asyncio.sleep(0.02)


async def call(port: int, transport: str, password: str) -> None:
    """One call that is answered and hung up; raises `CallFailed`."""
    options = EndpointOptions("127.0.0.1", 0)
    async with Endpoint(options, lambda leg: leg.reject(403), lambda *_: None) as endpoint:
        leg, answer = await endpoint.invite(
            Uri.parse(f"sip:+15551234@127.0.0.1:{port};transport={transport}"),
            "<sip:agent@127.0.0.1>",
            make_offer(MEDIA),
            credentials=Credentials("agent", password),
        )
        assert answer is not None
        assert accept_answer(make_offer(MEDIA), answer, MEDIA).encoding == "PCMU"
        leg.hangup()
        assert (await ended(leg)).how == "BYE"


async def ended(leg: Leg) -> Ended:
    async for event in leg.events():
        if isinstance(event, Ended):
            return event
    raise AssertionError("the events of a leg end with Ended")


def with_sipp(folder: Path, transport: str, password: str) -> int:
    """Make one call to a SIPp; returns SIPp's exit status, 0 if its scenario was followed to the end."""
    port = free_ports()
    command = ["sipp", "-sf", str(SCENARIO), "-i", "127.0.0.1", "-p", str(port), "-m", "1", "-nostdin"]
    command += ["-t", "t1" if transport == "tcp" else "u1", "-timeout", SIPP_LIMIT, "-timeout_error"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sipp:
        try:

            async def limited() -> None:
                async with asyncio.timeout(HANG):
                    await listening(port, transport)
                    await call(port, transport, password)

            asyncio.run(limited())
        finally:
            try:
                sipp.wait(HANG)
            except subprocess.TimeoutExpired:
                sipp.kill()
    return sipp.returncode


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_challenged_call_is_answered_and_hung_up(transport: str, tmp_path: Path) -> None:
    assert with_sipp(tmp_path, transport, "s3cret") == 0


def test_a_call_with_the_wrong_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallFailed) as failure:
        with_sipp(tmp_path, "udp", "wrong")
    assert failure.value.ended.status == 403
