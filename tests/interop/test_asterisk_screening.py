"""An agent calls a person whose calls Asterisk screens (``Dial(…,p)``): it says its name at the tone, and talks."""

import asyncio
import re
import wave
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from agent.records import TurnEnded
from agent.turn_taking.words import words_of
from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.config.trunks import TrunkOptions
from sipgw.events import AnsweredBy, CallReported, Event
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.fakes.openai import Reply
from tests.gate_world import ALWAYS
from tests.interop.asterisk import MENU, MODULES, Asterisk, asterisk
from tests.ports import free_ports
from tests.waiting import HANG, patient

NUMBER = "+14155550100"
PURPOSE = "This is Acme Store, about the lamp that you ordered."
ANSWER = "It is about your lamp."
HELLO = "Hello, this is Ann speaking. What is it about?"
SCREENED = {
    "pjsip.conf": MENU["pjsip.conf"],
    "extensions.conf": """\
[in]
; What a caller says is kept by the caller's number: each test has its own.
exten => _[+0-9]X.,1,Set(CALLERID(num)={port})
 same => n,Dial(Local/ann@people/n,90,pn(1))
 same => n,Hangup()
[people]
; She hears that there is a caller, the caller's words, and which keys she has.
exten => ann,1,Answer()
 same => n,Record({here}/announced.wav,0,14,q)
 same => n,SendDTMF(1)
 same => n,Wait(2)
 same => n,Playback({here}/hello)
 same => n,Wait(60)
""",
}
TELLING = {"acme", "store", "lamp", "ordered"}
"""Words of the agent's sentence that no announcement of Asterisk has."""
KEPT = timedelta(seconds=2.5)
"""What Asterisk must have recorded of the agent's sentence for Ann to hear what it is about."""
MORE_MODULES = (
    "app_dial", "app_record", "app_senddtmf", "codec_gsm", "codec_resample", "format_gsm", "format_sln",
    "func_callerid",
)  # fmt: skip


def calling_ann(config: GatewayConfig, pbx: Asterisk) -> GatewayConfig:
    trunk = TrunkOptions(
        name="pbx", mode="peer", networks=("127.0.0.1/32",), domain=f"127.0.0.1:{pbx.port}", caller_id="+14155550199"
    )
    gate = replace(config.gate, countries=("US",), windows=ALWAYS)
    agent = replace(config.agent, stt="local", tts="local", screening=PURPOSE)
    return replace(config, trunks=(trunk,), gate=gate, agent=agent)


def began_to_say(event: Event) -> datetime | None:
    """When the agent's purpose began to leave, if that is what the event reports; its end may be an interruption."""
    match event:
        case CallReported(_, at, TurnEnded(turn)) if turn.said == PURPOSE and turn.times.first_packet is not None:
            return at - timedelta(seconds=asyncio.get_running_loop().time() - turn.times.first_packet)
    return None


def recorded(log: str, near: datetime) -> datetime:
    """When Asterisk's recorder was over, by its log, which knows no year."""
    found = re.search(r"\[(\w+ +\d+ [\d:]+)\][^\n]* Playing 'auth-thankyou", log)
    assert found, log
    return datetime.strptime(f"{near.year} {found[1]}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.programs("asterisk")
def test_the_agent_says_its_name_at_the_tone_and_talks_with_the_person_who_takes_the_call(tmp_path: Path) -> None:
    from agent.providers.local.hibari_tts import HibariTts
    from agent.providers.local.whisper import Whisper

    announced, begins = np.zeros(0, np.float32), list[datetime]()

    async def scenario(pbx: Asterisk) -> None:
        nonlocal announced
        told: list[str] = []
        async with cloud(tmp_path, [], [Reply(text=[ANSWER])] * 3, change=lambda one: calling_ann(one, pbx)) as world:
            world.gateway.watchers.add(lambda event: told.append(event.who) if isinstance(event, AnsweredBy) else None)
            world.gateway.watchers.add(lambda event: begins.extend(filter(None, [began_to_say(event)])))
            placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))

            async def heard() -> list[str]:
                found = await world.gateway.store.call(placed.id)
                return [turn["heard"] for turn in found["turns"]] if found else []

            async with asyncio.timeout(HANG):
                while ANSWER not in await heard():
                    await asyncio.sleep(0.5)
            placed.stop()
            await placed.ended()
            (record,) = await records(world.gateway)
            assert record["answered"]
            assert told[-2:] == ["screen", "human"]
            assert "machine" not in told
            heard_by_model = [one["content"] for one in world.llm.requests[-1]["messages"] if one["role"] == "user"]
            assert len(heard_by_model) == 1 and "speaking" in heard_by_model[0], "the model hears the person alone"
        with wave.open(str(pbx.folder / "announced.wav")) as sound:
            announced = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32) / 32768  # type: ignore[assignment]

    with asterisk(
        free_ports(), {"hello": b"".join(HibariTts(1).speak(HELLO))}, SCREENED, MODULES + MORE_MODULES
    ) as pbx:
        try:
            with patient(["sipgw.calls.machine_detection.WORDS"]):
                asyncio.run(scenario(pbx))
        finally:
            print(log := pbx.log[-6000:])
    # By pieces: Whisper may end at a pause, and takes few words in a long sound for none.
    ear, (began, *_) = Whisper(1), begins
    words = [words_of(ear.transcribe(announced[at : at + 48_000]).text) for at in range(0, len(announced), 16_000)]
    # Asterisk records for 4 s, or until two seconds of silence: on a busy machine that is over when the agent begins.
    assert len(TELLING & set().union(*words)) > 1 or began > recorded(log, began) - KEPT, f"Ann heard {words}"
