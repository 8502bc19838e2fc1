# mypy: disable-error-code="arg-type"
"""Real phones decode the keys that we press."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from media.dtmf.events import KEYS
from media.process.engine import MediaEngine, MediaOptions
from media.rtp.srtp import Keys
from media.session.format import Format
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Confirmed
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, answer
from sipgw.sip.sdes import SECRET
from tests.interop.baresip import Baresip
from tests.interop.test_calls import speech, wav
from tests.ports import free_ports
from tests.waiting import HANG

pytestmark = pytest.mark.programs("baresip")

PRESSED = KEYS + "1122"
Phone = Callable[[Path, int], Awaitable[str]]


async def pjsip(folder: Path, port: int) -> str:
    said, heard = wav(folder / "said.wav", speech(1.0)), folder / "heard.wav"
    command = [sys.executable, Path(__file__).parent / "pjsua_phone.py", f"sip:agent@127.0.0.1:{port}", said, heard]
    process = await asyncio.create_subprocess_exec(*command, "8", "1", stdout=asyncio.subprocess.PIPE)
    printed, _ = await asyncio.wait_for(process.communicate(), HANG)
    return "".join(re.findall(r"^key (.) ", printed.decode(), re.MULTILINE))


async def baresip(folder: Path, port: int) -> str:
    phone = Baresip(folder, wav(folder / "said.wav", speech(12.0)), f"sip:agent@127.0.0.1:{port}")
    printed = await asyncio.to_thread(phone.call, 8)  # noqa: TID251
    return "".join(re.findall(r"received event: '(.)' \(end=0\)", printed))


@pytest.mark.programs("pjsua2")
@pytest.mark.parametrize("phone", [pjsip, baresip])
def test_a_phone_gets_every_key_once(tmp_path: Path, phone: Phone) -> None:
    """Over SRTP if the phone speaks it."""

    async def scenario() -> str:
        calls: asyncio.Queue[Leg] = asyncio.Queue()
        options, media = EndpointOptions("127.0.0.1", 0), MediaOptions("127.0.0.1", (free_ports(), 65535))
        async with MediaEngine(media) as engine, Endpoint(options, calls.put_nowait, lambda *_: None) as endpoint:
            async with asyncio.TaskGroup() as group:
                dialled = group.create_task(phone(tmp_path, endpoint.port))  # type: ignore[var-annotated]
                leg = await calls.get()
                channel = await engine.open(lambda event: None)
                local = LocalMedia("127.0.0.1", channel.port, srtp="optional", secret=bytes(range(SECRET)), tls=False)
                agreed = answer(leg.offer or b"", local)
                leg.answer(agreed.sdp)
                keys = Keys(agreed.srtp.suite, agreed.srtp.ours, agreed.srtp.theirs) if agreed.srtp else None
                form = Format(agreed.encoding, agreed.payload_type, agreed.dtmf_payload_type)
                channel.connect(form, (agreed.remote_address, agreed.remote_port), keys=keys)
                async for event in leg.events():
                    if isinstance(event, Confirmed):
                        break
                channel.send_digits(PRESSED)
            channel.close()
            return dialled.result()

    assert asyncio.run(scenario()) == PRESSED
