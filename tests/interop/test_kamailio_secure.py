"""A phone behind Kamailio over TLS, with SRTP between phone and gateway: the proxy sees the keys, but not the sound."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from media.g711 import FRAME, to_linear
from sipgw.config.config import GatewayConfig
from sipgw.config.trunks import TrunkOptions
from tests.calls.test_cloud_call import every_code
from tests.cloud import cloud
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.interop.baresip import Baresip
from tests.interop.company import leg_of
from tests.interop.desks import until
from tests.interop.kamailio import kamailio
from tests.interop.test_calls import ENOUGH, wav
from tests.ports import free_ports
from tests.sip.certificates import Authority
from tests.waiting import HANG

pytestmark = [pytest.mark.slow, pytest.mark.programs("kamailio", "baresip")]

GREETING = "Nobody else hears this."


def frames(sound: bytes, size: int) -> list[bytes]:
    return [sound[at : at + size] for at in range(0, len(sound) - size + 1, size)]


def test_a_call_with_sdes_keys_passes_the_proxy_over_tls(tmp_path: Path) -> None:
    authority, port, tls_port = Authority(tmp_path), free_ports(), free_ports()
    said = b"".join(map(every_code, range(50 * ENOUGH // 4))).replace(b"\x7f", b"\xff")
    phone = Baresip(
        tmp_path, wav(tmp_path / "said.wav", said), f"sip:agent@127.0.0.1:{tls_port};transport=tls", "tls",
        f"sip_cafile {authority.ca}\nmodule srtp.so\n", ";mediaenc=srtp-mand",
    )  # fmt: skip

    def change(config: GatewayConfig) -> GatewayConfig:
        trunk = TrunkOptions(
            "edge", "register", registrar=f"127.0.0.1:{tls_port};transport=tls", user="agent", password="s3cret",
            srtp="required",
        )  # fmt: skip
        sip = replace(config.sip, tls=replace(config.sip.tls, ca=str(authority.ca)))
        return replace(config, sip=sip, trunks=(trunk,), agent=replace(config.agent, greeting=GREETING))

    async def scenario() -> bytes:
        async with cloud(tmp_path, [], [Reply()], change=change) as world:
            await until(lambda: world.gateway.status()[0].registration == "registered")
            enough = threading.Event()
            calling = pool.submit(phone.call, ENOUGH, enough.is_set)
            try:
                await until(lambda: calling.done() or any(one.info.answered for one in world.gateway.calls.values()))
                assert not calling.done(), calling.result()
                (session,) = world.gateway.calls.values()
                leg = leg_of(session)
                assert leg.source.transport == "tls"
                assert b"RTP/SAVP" in (leg.offer or b"") and b"a=crypto" in leg.local
                async with asyncio.timeout(HANG):
                    while (await session.media_stats()).get("received", 0) < 300:
                        await asyncio.sleep(0.1)
            finally:
                enough.set()
            async with asyncio.timeout(HANG):
                while not (found := [one for one in await world.gateway.store.calls() if one["ended"]]):
                    await asyncio.sleep(0.1)
            (record,) = found
            assert (record["trunk"], record["ending"]) == ("edge", "caller_hung_up")
            assert (record["media"]["unauthentic"], record["media"]["replayed"]) == (0, 0)
            return bytes(world.stt.sessions[0].audio)

    with ThreadPoolExecutor(1) as pool, kamailio(tmp_path, port, tls_port, authority.issue("127.0.0.1")):
        audio = asyncio.run(scenario())
    heard = set(frames(audio.replace(b"\x7f", b"\xff"), FRAME))
    came = sum(frame in heard for frame in frames(said, FRAME)[:300])
    assert came > 150, "what the phone says reaches the recogniser, byte for byte"
    played, greeting = phone.heard(), frames(to_linear(sound_of(GREETING)), 2 * FRAME)
    heard_there = sum(frame in played for frame in greeting)  # on a busy machine its recorder leaves much out
    assert heard_there > 5, "and the agent's voice the phone"
