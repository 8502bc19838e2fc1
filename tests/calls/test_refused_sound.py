# mypy: disable-error-code="index"
"""Packets that a call refuses, by real SIP and RTP: on its page while it goes on, in its record, and in its bundle."""

import asyncio
import contextlib
import io
import json
import socket
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from media.g711 import FRAME
from media.rtp import packet as rtp
from sipgw.config.alarms import AlarmOptions
from sipgw.config.records import CaptureOptions
from sipgw.records.captures.explain import MANY, findings
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.tools.doctor.kept_calls import examine
from tests.calls.test_cloud_call import every_code, records
from tests.cdr_events import key
from tests.cloud import cloud
from tests.phone import Phone, calling
from tests.waiting import HANG, until

pytestmark = pytest.mark.slow

PACKETS = 267


def other_side() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.2", 0))
    return sock


def speak(sock: socket.socket, phone: Phone, number: int) -> None:
    packet = rtp.build(0, number == 0, number, number * FRAME, 0xBEEF, b"\x7f" * FRAME)
    sock.sendto(packet, phone.remote)


def test_packets_of_the_address_that_a_re_invite_announces_are_told(tmp_path: Path) -> None:
    """A PBX connects the phones directly: the new side sends before its address is announced."""
    bundled = lambda config: replace(  # noqa: E731
        config, capture=CaptureOptions(bundles="demand"), alarms=AlarmOptions(least=1)
    )

    async def scenario() -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any], bytes]:
        async with cloud(tmp_path, [], [], change=bundled) as world, contextlib.AsyncExitStack() as stack:
            sock = stack.enter_context(contextlib.closing(other_side()))
            async with calling(world.target, every_code) as phone:
                assert phone.leg is not None
                (session,) = world.gateway.calls.values()
                await until(lambda: phone.received)
                for number in range(PACKETS):
                    speak(sock, phone, number)
                    seen = len(phone.received)
                    await until(lambda seen=seen: len(phone.received) > seen)  # type: ignore[misc]  # as fast as sound
                async with asyncio.timeout(HANG):
                    while (live := await session.media_stats())["foreign"] < PACKETS:
                        await asyncio.sleep(0.05)
                moved = LocalMedia("127.0.0.2", sock.getsockname()[1], tls=False, session=phone.leg.local)
                await phone.leg.reinvite(make_offer(moved))
                speak(sock, phone, PACKETS)
                before = live["received"]
                async with asyncio.timeout(HANG):
                    while (await session.media_stats())["received"] <= before:
                        await asyncio.sleep(0.05)
            (found,) = await records(world.gateway)
            record = await world.gateway.store.call(found["id"])
            (trunk,) = world.gateway.status()
            assert [one.fault for one in trunk.sound if one.raised] == ["foreign"]
            doctor = await examine(world.gateway.config.store, [record["trunk"]], AlarmOptions())
            assert [(one.id, one.verdict) for one in doctor] == [("calls.foreign", "warn")]
            assert f"{PACKETS} packets came from 127.0.0.2:" in doctor[0].evidence and doctor[0].fix
            timeline = await world.gateway.evidence.timelines.of(key(found))
            assert timeline is not None
            return live["refused_sources"], record, timeline, await world.gateway.evidence.bundle(key(found))  # type: ignore[return-value]

    live, record, timeline, bundle = asyncio.run(scenario())
    assert [(one["host"], one["reason"], one["packets"]) for one in live] == [("127.0.0.2", "foreign", PACKETS)]
    (one,) = (one for one in record["media"]["refused_sources"] if one["host"] == "127.0.0.2")
    assert one["packets"] == PACKETS > MANY
    assert one["first"] < one["last"] < one["announced"]
    assert "trunk_alarm" in [event["kind"] for event in record["events"]]
    assert "alarm" in [event["kind"] for event in timeline["events"]]
    told = next(found for found in findings(timeline) if "announced only later" in found.what)
    assert told.what.startswith(f"{PACKETS} packets came from 127.0.0.2:") and told.fix
    with zipfile.ZipFile(io.BytesIO(bundle)) as file:
        frames = [json.loads(line) for line in file.read("frames.jsonl").splitlines()]
    (ended,) = (frame for frame in frames if frame["of"] == "ended")
    assert one in ended["refused"]
