"""A PIN keyed in on a real call, as RFC 4733 events over RTP, with everything on that could keep it."""

import asyncio
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from media.recording.wav import HEADER
from sipgw.config.config import GatewayConfig
from sipgw.config.records import CaptureOptions, RecordingOptions
from sipgw.events import Event
from sipgw.tools.caller import AgentAudioMonitor, CallerPhone, Press
from tests.calls.test_cloud_call import records
from tests.cdr_events import key
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.waiting import HANG

PIN = "86420975"
TOOLS = '''
from agent.secrets import Secret
from agent.tools import tool

SEEN = []


@tool
async def check_pin(pin: Secret) -> bool:
    """Check the PIN."""
    SEEN.append(pin.reveal())
    return True
'''


class Keying:
    """Presses the PIN once, when the question was asked."""

    def __init__(self) -> None:
        self.asked = False

    def next(self, now: float, agent_audio: AgentAudioMonitor) -> Press | None:
        asked, self.asked = self.asked, False
        return Press(PIN) if asked else None


@pytest.mark.slow
def test_a_pin_is_kept_by_nothing_that_keeps_things(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tools.py").write_text(TOOLS)
    happened: list[Event] = []

    def change(config: GatewayConfig) -> GatewayConfig:
        agent = replace(config.agent, greeting="Hi.", collect_digits=True, tools=str(tmp_path / "tools.py"))
        return replace(config, agent=agent, capture=CaptureOptions(rtp="always"))

    asks = Reply(calls=[("c1", "collect_digits", '{"question": "Your PIN?", "most": 8, "secret": true}')])
    checks = Reply(calls=[("c2", "check_pin", '{"pin": "secret-1"}')])
    recording = RecordingOptions(str(tmp_path / "calls"))

    async def scenario():
        said, replies = [Said("I want to pay.", 600, 1200)], [asks, checks, Reply(text=["Thank you."])]
        async with cloud(tmp_path, said, replies, change=change, recording=recording) as world, CallerPhone() as phone:
            world.gateway.watchers.add(happened.append)
            caller = Keying()
            async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
                held = group.create_task(phone.call(world.target, caller, HANG))
                while "Your PIN?" not in world.tts.texts:
                    await asyncio.sleep(0.1)
                await asyncio.sleep(0.5)
                caller.asked = True
                while "Thank you." not in world.tts.texts:
                    await asyncio.sleep(0.1)
                await asyncio.sleep(0.5)
                held.cancel()
            (record,) = await records(world.gateway)
            evidence = world.gateway.evidence
            pcap = b"".join([piece async for piece in evidence.pcap(key(record))])
            timeline = await evidence.timelines.of(key(record))
            whole = await world.gateway.store.call(record["id"])
            return pcap, timeline, whole, world.llm.requests

    pcap, timeline, record, requests = asyncio.run(scenario())
    assert sys.modules["sipgw_tools_tools"].SEEN == [PIN]
    kept = {
        "the record": json.dumps(record, default=str),
        "the timeline": json.dumps(timeline),
        "what the model was told": json.dumps(requests),
        "what the watchers were told": repr(happened),
        "the log": "".join(capfd.readouterr()),
        "files": "".join(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*.jsonl")),
    }
    for where, text in kept.items():
        for shape in (PIN, " ".join(PIN)):
            assert shape not in text, where
        for length in range(4, len(PIN)):  # by itself: the same digits may stand in a time or an identity by chance
            assert not re.search(rf"(?<![\w.]){PIN[:length]}(?!\w)", text), where
    assert '"reference": "secret-1"' in json.dumps(record, default=str), "what stands there instead"
    events = telephone_events(pcap)
    assert events
    assert not any(len(payload) for payload in events), "the packets of keys are captured without what they say"
    (file,) = (tmp_path / "calls").glob("*.wav")
    assert loud_keys(file.read_bytes()[HEADER:]) == 0


def telephone_events(pcap: bytes) -> list[bytes]:
    """The payloads of RTP packets of telephone events in a capture, as far as they were kept."""
    found, at = [], 24
    while at < len(pcap):
        size = int.from_bytes(pcap[at + 8 : at + 12], "little")
        packet = pcap[at + 16 : at + 16 + size]
        at += 16 + size
        rtp = packet[28:]
        if packet[9] == 17 and len(rtp) >= 12 and rtp[0] >> 6 == 2 and rtp[1] & 0x7F == 101:
            found.append(rtp[12:])
    return found


def loud_keys(stereo: bytes) -> int:
    """Samples of the caller's side that are not silence: in this call the caller makes no sound but keys."""
    return sum(sample not in (0xFF, 0x7F, 0xFE, 0x7E) for sample in stereo[::2])
