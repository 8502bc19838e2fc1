"""A gateway on the cloud providers' real protocols, served by the strict fakes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.limits import GAP
from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.failover import FailoverOptions
from agent.providers.openai_client import OpenAIOptions
from agent.records import Report
from media.process.engine import MediaOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import AdmissionOptions
from sipgw.config.records import RecordingOptions, StoreOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.events import CallReported, Watcher
from sipgw.gateway.gateway import Gateway
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.uri import Uri
from tests.fakes.assemblyai import FakeAssemblyAI, Faults, Said
from tests.fakes.elevenlabs import FakeElevenLabs, TtsFaults
from tests.fakes.openai import FakeOpenAI, Reply
from tests.fakes.websocket import Session
from tests.waiting import HANG, PROVIDERS, patient


@dataclass
class Cloud:
    """The fakes and the gateway that uses them."""

    stt: FakeAssemblyAI
    llm: FakeOpenAI
    tts: FakeElevenLabs
    gateway: Gateway

    @property
    def target(self) -> Uri:
        return Uri("sip", "agent", "127.0.0.1", self.gateway.endpoint.port)

    @contextlib.contextmanager
    def letting_it_ring(self) -> Iterator[None]:
        """The agent answers no call meanwhile: its recogniser is slow to begin."""
        answers = asyncio.Event()
        send = self.stt.send

        async def slow(session: Session, message: dict[str, Any]) -> None:
            if message["type"] == "Begin":
                await answers.wait()
            await send(session, message)

        self.stt.send = slow  # type: ignore[method-assign]
        try:
            yield
        finally:
            self.stt.send = send  # type: ignore[method-assign]
            answers.set()


def reports(observer: Callable[[Report], None]) -> Watcher:
    """A watcher that hands on what the conversation reports."""
    return lambda event: observer(event.report) if isinstance(event, CallReported) else None


@contextlib.asynccontextmanager
async def cloud(
    folder: Path,
    said: Sequence[Said],
    replies: Sequence[Reply],
    *,
    ear_faults: Faults | None = None,
    tts_faults: TtsFaults | None = None,
    observer: Callable[[Report], None] = lambda report: None,
    delays: tuple[float, float, float] = (0.0, 0.0, 0.0),
    trunks: tuple[TrunkOptions, ...] = (),
    sip: EndpointOptions | None = None,
    recording: RecordingOptions | None = None,
    change: Callable[[GatewayConfig], GatewayConfig] = lambda config: config,
    agents: Callable[[GatewayConfig], dict[str, GatewayConfig]] = lambda config: {},
    further: Sequence[Sequence[Said]] = (),
) -> AsyncIterator[Cloud]:
    """Run a gateway against fakes; `delays` are those of final transcript, first token and first sound.

    `said` is heard in the first session of the STT, `further` in the next ones.

    `change` makes its configuration what the test needs; `agents` makes further agents of that.
    """
    final, token, sound = delays
    replies = [replace(reply, delay=reply.delay + token) for reply in replies]
    async with (
        FakeAssemblyAI(said, *further, faults=ear_faults, key="aai", delay={"Turn": final}) as stt,
        FakeOpenAI(replies, key="sk") as llm,
        FakeElevenLabs(tts_faults, key="xi", delay=sound) as tts,
    ):
        config = GatewayConfig().having(
            sip=sip or EndpointOptions(host="127.0.0.1", port=0),
            trunks=trunks,
            admission=AdmissionOptions(delay_limit=HANG),
            failover=FailoverOptions(deaf_after=HANG, unheard_after=HANG, stuck_after=HANG),
            media=MediaOptions(bind_host="127.0.0.1"),
            recording=recording or RecordingOptions(),
            store=StoreOptions(path=str(folder / "cloud.db")),
            assemblyai=AssemblyAIOptions(api_key="aai", url=stt.url, open_limit=HANG),
            openai=OpenAIOptions(api_key="sk", url=llm.base_url, connect_limit=HANG, gap_limit=GAP),
            elevenlabs=ElevenLabsOptions(
                api_key="xi", url=tts.url, open_limit=HANG, first_sound_limit=HANG, gap_limit=HANG
            ),
        )
        changed = change(config)
        gateway = Gateway(changed, agents(changed))
        gateway.watchers.add(reports(observer))
        with patient(PROVIDERS):
            async with gateway:
                yield Cloud(stt, llm, tts, gateway)
