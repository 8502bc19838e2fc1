"""SIPp as the other end of what happens between INVITE and BYE: session timers, PRACK, hold."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.calls.negotiation import OurSide, agree
from sipgw.sip.dialog import peer_of
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import CallEvent, Offered
from sipgw.sip.leg import Leg, Progress
from sipgw.sip.offer_answer import LocalMedia, accept_answer, answer, make_offer
from sipgw.sip.uri import Uri
from tests.interop.test_sipp import sipp
from tests.interop.test_sipp_uas import ended, listening
from tests.ports import free_ports
from tests.waiting import HANG, SIPP_LIMIT

pytestmark = pytest.mark.programs("sipp")

SCENARIOS = Path(__file__).parent / "sipp"
MEDIA = LocalMedia("127.0.0.1", 4000, tls=False)
HELD = make_offer(replace(MEDIA, session=make_offer(MEDIA)), "sendonly")
RESUMED = make_offer(replace(MEDIA, session=HELD))


@pytest.fixture(scope="module")
def ports():
    """By their Min-SE: the ports of a user agent with that of the RFC, and of one that can be watched."""
    command = [sys.executable, "-m", "tests.interop.autoanswer", "0"]
    agents = {least: subprocess.Popen([*command, least], stdout=subprocess.PIPE, text=True) for least in ("90", "6")}
    try:
        yield {least: agent.stdout.readline().split()[1] for least, agent in agents.items() if agent.stdout}
        for agent in agents.values():
            agent.terminate()
            assert agent.wait(HANG) == 0
    finally:
        for agent in agents.values():
            agent.kill()


@pytest.mark.parametrize(
    ("scenario", "least", "options"),
    [
        ("session_timer", "90", ()),
        ("session_timer", "90", ("-t", "t1")),
        ("session_timer", "90", ("-m", "40", "-r", "20")),
        ("refreshed_by_update", "6", ("-m", "5")),
        ("refreshed_by_reinvite", "6", ("-m", "5")),
        ("refreshed_by_reinvite", "6", ("-t", "t1")),
        ("prack", "90", ()),
        ("prack", "90", ("-m", "40", "-r", "20")),
        ("prack_early", "90", ("-t", "t1")),
        ("prack_early", "90", ("-m", "40", "-r", "20")),
        ("hold", "90", ()),
        ("hold", "90", ("-t", "t1", "-m", "40", "-r", "20")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_sipp_calls(ports: dict[str, str], tmp_path: Path, scenario: str, least: str, options) -> None:
    """No losses: SIPp stops resending whatever comes in, and takes an old 200 for a new one. tests/sip has them."""
    sipp(
        ports[least],
        tmp_path,
        "-sf",
        str(SCENARIOS / f"{scenario}.xml"),
        *(() if "-m" in options else ("-m", "1")),
        *options,
    )


def with_sipp(folder: Path, scenario: str, transport: str, call: Callable[[Endpoint, Uri], Awaitable[None]]) -> int:
    """Let a SIPp play `scenario` for a call of ours; returns its exit status, 0 if it was followed to the end."""
    port = free_ports()
    command = ["sipp", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", "127.0.0.1", "-p", str(port), "-m", "1"]
    command += ["-nostdin", "-t", "t1" if transport == "tcp" else "u1", "-timeout", SIPP_LIMIT, "-timeout_error"]

    async def limited() -> None:
        options = EndpointOptions("127.0.0.1", 0)
        async with asyncio.timeout(HANG), Endpoint(options, lambda leg: leg.reject(403), lambda *_: None) as endpoint:
            await listening(port, transport)
            await call(endpoint, Uri.parse(f"sip:sipp@127.0.0.1:{port};transport={transport}"))

    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            asyncio.run(limited())
        finally:
            try:
                process.wait(HANG)
            except subprocess.TimeoutExpired:
                process.kill()
    return process.returncode


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_of_ours_acknowledges_early_media_and_follows_its_change(tmp_path: Path, transport: str) -> None:
    progress: list[tuple[int, bool]] = []
    offer = make_offer(MEDIA)

    def early(leg: Leg, event: CallEvent) -> None:
        if isinstance(event, Progress):
            progress.append((event.status, event.sdp is not None))
        elif isinstance(event, Offered) and event.sdp:
            leg.accept_offer(answer(event.sdp, MEDIA).sdp)

    async def call(endpoint: Endpoint, target: Uri) -> None:
        leg, theirs = await endpoint.invite(target, "<sip:agent@127.0.0.1>", offer, early=early)
        assert theirs is not None
        assert b"a=sendonly" in theirs, "what the UPDATE said last"
        leg.hangup()
        await ended(leg)

    assert with_sipp(tmp_path, "prack_uas", transport, call) == 0
    assert progress == [(180, False), (183, True)]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_of_the_gateway_follows_the_change_of_early_media(tmp_path: Path, transport: str) -> None:
    async def call(endpoint: Endpoint, target: Uri) -> None:
        side = OurSide(4000)
        offers = side.offers("optional", peer_of(target))
        leg, _ = await endpoint.invite(target, "<sip:agent@127.0.0.1>", *offers, early=side.early)
        local, agreed = agree(leg, side)
        assert agreed is not None
        assert (local.address, agreed.sdp, agreed.direction) == ("127.0.0.1", leg.local, "recvonly")
        leg.hangup()
        await ended(leg)

    assert with_sipp(tmp_path, "prack_uas", transport, call) == 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_of_ours_is_held_and_resumed_by_us(tmp_path: Path, transport: str) -> None:
    async def change(leg: Leg, sdp: bytes) -> tuple[int, str]:
        outcome = await leg.reinvite(sdp)
        return outcome.status, accept_answer(sdp, outcome.sdp, MEDIA).direction if outcome.sdp else ""

    async def call(endpoint: Endpoint, target: Uri) -> None:
        leg, _ = await endpoint.invite(target, "<sip:agent@127.0.0.1>", make_offer(MEDIA))
        assert await change(leg, HELD) == (200, "sendonly")
        assert await change(leg, RESUMED) == (200, "sendrecv"), "the 491 in between is our user agent's own business"
        assert await change(leg, RESUMED) == (488, "")
        leg.hangup()
        await ended(leg)

    assert with_sipp(tmp_path, "hold_uas", transport, call) == 0
