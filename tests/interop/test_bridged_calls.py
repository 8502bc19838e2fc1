"""Callers are handed over to baresip and SIPp: who hears whom is told by the tones in what each of them got."""

import asyncio
import contextlib
import math
import re
import wave
from array import array
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.briefing_phrases import BriefingPhrases
from media.g711 import FRAME, RATE, from_linear, to_linear
from sipgw.config.inbound import AccountOptions, AdmissionOptions
from sipgw.config.people import PersonOptions
from tests.calls.test_bridged_transfer import ASKED, SORRY, connecting, nothing_left, told, trunks, until
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.fakes.openai import Reply
from tests.interop.phones import baresip
from tests.interop.test_sipp_uas import listening
from tests.phone import Phone, calling
from tests.ports import free_ports
from tests.waiting import HANG

ANNA = AccountOptions("anna", "annas-password")
CALLER, PERSON = 1100.0, 700.0
"""Hertz."""
QUIET = b"\x7f" * FRAME


def tone(hertz: float, seconds: float) -> bytes:
    """16-bit linear sound."""
    return array(
        "h", (int(8000 * math.sin(2 * math.pi * hertz * at / RATE)) for at in range(int(seconds * RATE)))
    ).tobytes()


def share(linear: bytes, hertz: float) -> float:
    """How much of the energy of the sound is this tone, over all its pieces of 100 ms; from 0 to 1."""
    samples = array("h", linear[: len(linear) // 1600 * 1600])
    found, energy = 0.0, 1e-9
    for start in range(0, len(samples), 800):
        piece = samples[start : start + 800]
        turns = [2 * math.pi * hertz * at / RATE for at in range(800)]
        real = sum(one * math.cos(turn) for one, turn in zip(piece, turns, strict=True))
        imaginary = sum(one * math.sin(turn) for one, turn in zip(piece, turns, strict=True))
        found += 2 * (real * real + imaginary * imaginary) / 800
        energy += sum(one * one for one in piece)
    return found / energy


class Voice:
    """The caller's: quiet at first, so that the agent is not interrupted, then a tone."""

    def __init__(self) -> None:
        self.sounds = False
        self._tone = from_linear(tone(CALLER, 1.0))

    def __call__(self, frame: int) -> bytes:
        at = frame % 50 * FRAME
        return self._tone[at : at + FRAME] if self.sounds else QUIET


def lately(phone: Phone, seconds: float) -> bytes:
    """What the caller's phone got in the last seconds, linear."""
    return to_linear(b"".join(packet.payload for _, packet in phone.received[-int(seconds * 50) :]))


@contextlib.asynccontextmanager
async def sipp(folder: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """SIPp answers one call, sends back what it hears, and waits for the BYE."""
    process = await asyncio.create_subprocess_exec(
        "sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-mi", "127.0.0.1", "-mp", str(free_ports()),
        "-rtp_echo", "-m", "1", "-nostdin", cwd=folder,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await listening(port, "udp")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.programs("baresip")
@pytest.mark.parametrize("first", ["the caller", "anna"])
def test_baresip_with_an_account_gets_the_caller(tmp_path: Path, first: str) -> None:
    async def scenario() -> None:
        tts = Voice()
        people = (PersonOptions("anna", "sip:anna"),)
        admission = AdmissionOptions(algorithms=("MD5",), delay_limit=HANG)
        async with (
            cloud(
                tmp_path, ASKED, [connecting(), Reply(text=["Yes?"])], trunks=trunks(None),
                change=lambda config: replace(config, people=people, accounts=(ANNA,), admission=admission),
            ) as world,
            baresip(
                tmp_path / "phone", world.gateway.endpoint.port, "anna", ANNA.password,
                answers=True, says=tone(PERSON, 30),
            ) as phone,
        ):  # fmt: skip
            now = asyncio.get_running_loop().time
            await until(lambda: world.gateway.registrar.bindings("anna", now()))
            async with calling(world.target, tts) as caller:
                await phone.says("Call established")
                tts.sounds = True
                await until(lambda: share(lately(caller, 1), PERSON) > 0.9)
                await asyncio.sleep(2)
                if first == "anna":
                    phone.type("b")  # hang up
                    assert caller.leg
                    assert await caller.leg.over(HANG)
            await phone.says("terminated")
            (record,) = await records(world.gateway)
            await until(lambda: nothing_left(world))
        assert record["ending"] == "transferred"
        assert re.fullmatch(rf"to anna \(sip:anna\): \d+ s, {first} hung up", record["cause"])
        (recording,) = (tmp_path / "phone").glob("dump-*-dec.wav")
        with wave.open(str(recording)) as heard:
            linear = heard.readframes(heard.getnframes())
        middle = len(linear) // 2 & ~1
        assert share(linear[middle - 16_000 : middle + 8000], CALLER) > 0.9, "what the person heard is the caller"

    asyncio.run(scenario())


@pytest.mark.programs("baresip")
@pytest.mark.parametrize("key", ["1", "2"])
def test_baresip_is_briefed_and_takes_or_declines_the_caller_by_a_key(tmp_path: Path, key: str) -> None:
    async def scenario() -> None:
        people = (PersonOptions("anna", "sip:anna", mode="warm"),)
        admission = AdmissionOptions(algorithms=("MD5",), delay_limit=HANG)
        replies = [connecting(), Reply(text=["They want to know where their order is."]), Reply(text=["Yes?"])]
        async with (
            cloud(
                tmp_path, ASKED, replies, trunks=trunks(None), further=[[]],
                change=lambda config: replace(config, people=people, accounts=(ANNA,), admission=admission),
            ) as world,
            baresip(
                tmp_path / "phone", world.gateway.endpoint.port, "anna", ANNA.password,
                answers=True, says=tone(PERSON, 60),
            ) as phone,
        ):  # fmt: skip
            tries = told(world)
            now = asyncio.get_running_loop().time
            await until(lambda: world.gateway.registrar.bindings("anna", now()))
            async with calling(world.target, lambda _: QUIET) as caller:
                await phone.says("Call established")
                await until(lambda: BriefingPhrases().question in world.tts.texts)
                assert share(lately(caller, 1), PERSON) < 0.1, "the caller does not hear the person yet"
                # Who presses has heard the question. Nothing is believed of a phone that sends from another address
                # than it told, until five packets in a row have come.
                await asyncio.sleep(1)
                phone.type(key)
                if key == "1":
                    await until(lambda: share(lately(caller, 1), PERSON) > 0.9)
                else:
                    await until(lambda: SORRY in caller.heard())
                assert [one.accepted for one in tries] == [key == "1"]
            await phone.says("terminated")
            (record,) = await records(world.gateway)
            await until(lambda: nothing_left(world))
        assert record["ending"] == ("transferred" if key == "1" else "caller_hung_up")

    asyncio.run(scenario())


@pytest.mark.programs("sipp")
def test_sipp_gets_the_caller_and_the_bye(tmp_path: Path) -> None:
    async def scenario() -> None:
        tts, port = Voice(), free_ports()
        people = (PersonOptions("billing", f"sip:billing@127.0.0.1:{port}"),)
        async with (
            sipp(tmp_path, port) as process,
            cloud(
                tmp_path, ASKED, [connecting(), Reply(text=["Yes?"])], trunks=trunks(None),
                change=lambda config: replace(config, people=people),
            ) as world,
        ):  # fmt: skip
            tries = told(world)
            async with calling(world.target, tts) as caller:
                await until(lambda: tries)
                tts.sounds = True
                await until(lambda: share(lately(caller, 1), CALLER) > 0.9)
            async with asyncio.timeout(HANG):
                assert await process.wait() == 0, "SIPp's scenario was followed to the end"
            (record,) = await records(world.gateway)
            await until(lambda: nothing_left(world))
        assert record["ending"] == "transferred"

    asyncio.run(scenario())
