"""A whole call in which every first provider fails: real SIP, real RTP, the media process, strict fakes."""

import asyncio
from pathlib import Path

import pytest

from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.cartesia_sonic import CartesiaTtsOptions
from agent.providers.deepgram_listen import DeepgramOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.failover import FailoverOptions
from agent.providers.openai_client import OpenAIOptions
from agent.records import ProviderFailed
from media.process.engine import MediaOptions
from sipgw.config.agent import AgentOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.records import StoreOptions
from sipgw.gateway.gateway import Gateway
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.uri import Uri
from tests.calls.test_cloud_call import every_code, records
from tests.cloud import reports
from tests.fakes.assemblyai import FakeAssemblyAI, Faults, Said
from tests.fakes.cartesia import FakeSonic
from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.elevenlabs import FakeElevenLabs, TtsFaults, sound_of
from tests.fakes.openai import FakeOpenAI, Reply
from tests.phone import calling

ANSWER = "Your raincoat is out for delivery."


@pytest.mark.slow
def test_the_call_goes_on_though_every_first_provider_fails(tmp_path: Path) -> None:
    """AssemblyAI runs out of money in the middle of the question, ElevenLabs and the first model refuse the key."""
    lost = Faults(sessions=99, error=(1008, "Unauthorized Connection: balance"), after_ms=5000)
    failures: list[ProviderFailed] = []

    def observe(report) -> None:
        if isinstance(report, ProviderFailed):
            failures.append(report)

    async def scenario():
        async with (
            FakeAssemblyAI([Said("Where is my order?", 4000, 6000)], faults=lost) as assemblyai,
            FakeDeepgram([Said("Where is my order?", 1000, 3000)]) as deepgram,
            FakeElevenLabs(TtsFaults(refuse_status=401)) as elevenlabs,
            FakeSonic() as sonic,
            FakeOpenAI([Reply(status=401)]) as first,
            FakeOpenAI([Reply(text=[ANSWER])]) as second,
        ):
            config = GatewayConfig().having(
                agent=AgentOptions(stt_backup=("deepgram",), tts_backup=("cartesia",), llm_backup=("openai_backup",)),
                sip=EndpointOptions(host="127.0.0.1", port=0),
                media=MediaOptions(bind_host="127.0.0.1"),
                store=StoreOptions(path=str(tmp_path / "cloud.db")),
                failover=FailoverOptions(open_limit=4.9, first_token=5.9, first_sound=3.9),
                assemblyai=AssemblyAIOptions(api_key="aai-key", url=assemblyai.url),
                deepgram=DeepgramOptions(api_key="dg-key", url=deepgram.url, model="nova-3"),
                elevenlabs=ElevenLabsOptions(api_key="xi-key", url=elevenlabs.url),
                cartesia_tts=CartesiaTtsOptions(api_key="the-key", url=sonic.url),
                openai=OpenAIOptions(api_key="sk-test-key", url=first.base_url),
                openai_backup=OpenAIOptions(api_key="sk-test-key", url=second.base_url),
            )
            gateway = Gateway(config)
            gateway.watchers.add(reports(observe))
            async with gateway:
                target = Uri("sip", "agent", "127.0.0.1", gateway.endpoint.port)
                async with calling(target, every_code) as phone:
                    await phone.hears(sound_of(ANSWER))
                    heard = phone.heard()
                (record,) = await records(gateway)
                return heard, record, sonic.texts

    heard, record, texts = asyncio.run(scenario())
    assert failures == []
    assert record["ending"] == "caller_hung_up"
    assert [turn["caller"] for turn in record["turns"] if turn["caller"]] == ["Where is my order?"]
    assert texts[0].startswith("Hello, this is Acme Store")
    for text in (texts[0], ANSWER):
        assert sound_of(text).strip(b"\xff") in heard
