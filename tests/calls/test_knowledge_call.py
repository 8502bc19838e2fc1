# mypy: disable-error-code="union-attr"
"""A caller asks what stands in a folder of documents: real SIP and RTP, the providers' protocols, a citing record."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agent.passages import TOLD, without_passages
from sipgw.agents.knowledge import encoders, knowledge_base
from sipgw.config.config import GatewayConfig
from sipgw.config.knowledge import KnowledgeOptions
from sipgw.records.store.tables import EventRecord
from tests.agents.knowledge_world import documents
from tests.calls.test_cloud_call import LENT, records
from tests.calls.test_realtime_call import SILENCE, using
from tests.cloud import Cloud, cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.fakes.openai_realtime import FakeOpenAIRealtime
from tests.fakes.realtime_server import Say
from tests.phone import calling
from tests.waiting import HANG, until

pytestmark = pytest.mark.slow

VISITING = "# Visiting\n## Parking\nThere is no car park. The multi-storey in Mill Lane is three minutes away on foot."
ASKS = "Where can I park my car?"
CITED = ("visiting.md", "Visiting › Parking")
ANSWER = "In Mill Lane, three minutes away."


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer for a question than a caller would wait."""
    monkeypatch.setattr(knowledge_base.KnowledgeBase.finder, "__defaults__", (HANG,))


def knowing(folder: Path) -> Callable[[GatewayConfig], GatewayConfig]:
    made = documents(folder, visiting=VISITING, returns="# Returns\nA book can be sent back within thirty days.")
    return lambda config: config.having(knowledge=KnowledgeOptions(folder=str(made)))


async def read_in(world: Cloud) -> None:
    """Documents are read while calls may come already."""
    await until(lambda: not world.gateway.services.knowledge.unread("agent"))


def cited(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["file"], one["heading"]) for turn in record["turns"] for one in turn["sources"]]


def test_the_model_gets_the_passage_with_the_question_and_the_record_cites_it(tmp_path: Path) -> None:
    async def scenario() -> Any:
        said = [Said(ASKS, 4000, 5000)]
        async with cloud(tmp_path, said, [Reply([ANSWER])], change=knowing(tmp_path)) as world:
            await read_in(world)
            async with calling(world.target, lambda _: LENT) as phone:
                await phone.hears(sound_of(ANSWER))
            (record,) = await records(world.gateway)
            return record, world.llm.requests

    record, requests = asyncio.run(scenario())
    assert len(requests) == 1, "it costs no further turn of the model"
    system, *_, asked = requests[0]["messages"]
    assert system["content"].endswith(TOLD)
    words, passages = without_passages(asked["content"])
    assert words == ASKS
    assert "multi-storey in Mill Lane" in passages[0]["text"]
    assert cited(record)[0] == CITED
    assert record["turns"][1]["caller"] == ASKS and record["turns"][1]["sources"][0]["chunk"] == 1


def test_the_embedded_brain_answers_with_the_sentence(tmp_path: Path) -> None:
    def change(config: GatewayConfig) -> GatewayConfig:
        return knowing(tmp_path)(config.having(agent=replace(config.agent, llm="local")))

    spoken = "The multi-storey in Mill Lane is three minutes away on foot."

    async def scenario() -> Any:
        said = [Said("How far away is the multi-storey?", 4000, 5500)]
        async with cloud(tmp_path, said, [Reply(["unused"])], change=change) as world:
            await read_in(world)
            async with calling(world.target, lambda _: LENT) as phone:
                async with asyncio.timeout(HANG):
                    while not any(spoken in text for text in world.tts.texts):
                        await asyncio.sleep(0.05)
                assert phone.heard()
            (record,) = await records(world.gateway)
            return record, world.llm.requests

    record, requests = asyncio.run(scenario())
    assert not requests
    assert spoken in record["turns"][1]["said"]
    assert CITED in cited(record)


def test_a_speech_to_speech_session_looks_it_up_by_a_tool(tmp_path: Path) -> None:
    look_up = Say(calls=[("c1", "look_up_in_documents", f'{{"question": "{ASKS}"}}')])

    async def scenario() -> Any:
        fake = FakeOpenAIRealtime([Said(ASKS, 3600, 4400)], [look_up, Say(ANSWER)], key="k")
        openai = using("openai", openai=fake)
        async with fake, cloud(tmp_path, [], [], change=lambda config: knowing(tmp_path)(openai(config))) as world:
            await read_in(world)
            async with calling(world.target, lambda _: SILENCE) as phone:
                await phone.hears(sound_of(ANSWER))
            (record,) = await records(world.gateway)
            return record, fake.results

    record, results = asyncio.run(scenario())
    assert "multi-storey in Mill Lane" in results[0]["result"]
    assert "never instructions" in results[0]["result"]
    (run,) = [run for turn in record["turns"] for run in turn["tools"]]
    assert run["name"] == "look_up_in_documents"
    assert cited(record)[0] == CITED


def test_a_reload_takes_changed_documents_up_for_the_next_call(tmp_path: Path) -> None:
    folder = documents(tmp_path, a="# Parking\nThere is no car park.")

    def change(config: GatewayConfig) -> GatewayConfig:
        return config.having(knowledge=KnowledgeOptions(folder=str(folder)))

    async def scenario() -> list[str]:
        async with cloud(tmp_path, [], [Reply(["unused"])], change=change) as world:
            gateway, told = world.gateway, []
            for text in ("", "# Parking\nPark in the yard."):
                if text:
                    documents(tmp_path, a=text)
                    assert await gateway.reload(gateway.config, {}) == []
                await read_in(world)
                (found,) = await gateway.services.knowledge.finder("agent", lambda used: None)((ASKS,))
                told.append(found.text)
            return told

    assert asyncio.run(scenario()) == ["There is no car park.", "Park in the yard."]


def test_a_call_before_the_documents_are_read_is_answered_without_them_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> Any:
        may_go_on, encode = asyncio.Event(), encoders.LocalEncoder.passages

        async def slow(*given: Any) -> Any:
            await may_go_on.wait()
            return await encode(*given)

        monkeypatch.setattr(encoders.LocalEncoder, "passages", slow)
        said = [Said(ASKS, 4000, 5000)]
        async with cloud(tmp_path, said, [Reply([ANSWER])], change=knowing(tmp_path)) as world:
            async with calling(world.target, lambda _: LENT) as phone:
                await phone.hears(sound_of(ANSWER))
            (record,) = await records(world.gateway)
            may_go_on.set()
            await read_in(world)
            (found, *_) = await world.gateway.services.knowledge.finder("agent", lambda used: None)((ASKS,))
            async with world.gateway.store.read() as session:
                query = select(EventRecord.about).where(EventRecord.kind == "documents_unread")
                events = list(await session.scalars(query))
            return record, world.llm.requests, found, events

    record, requests, found, events = asyncio.run(scenario())
    assert without_passages(requests[0]["messages"][-1]["content"]) == (ASKS, [])
    assert cited(record) == []
    assert events == [{"agent": "agent", "files": 2}]
    assert found.file == "visiting.md", "the next call has them"
