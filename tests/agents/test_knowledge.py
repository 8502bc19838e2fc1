"""Folders of documents: what has changed is read, what costs is bounded, what fails answers nothing."""

import asyncio
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from agent.providers.openai_client import OpenAIOptions
from agent.records import Used
from sipgw.agents.agents import Agents
from sipgw.agents.knowledge import encoders, knowledge_base
from sipgw.agents.knowledge import rows as stored
from sipgw.agents.knowledge.knowledge_base import KnowledgeBase
from sipgw.agents.knowledge.requirements import service_of
from sipgw.agents.products import prices_of
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.cost import PriceOptions
from sipgw.config.errors import ConfigError
from sipgw.config.records import StoreOptions
from sipgw.policy.cost.cost import Expenses, spent_since_midnight
from sipgw.records.store.store import Store
from sipgw.records.store.tables import DocumentRecord, ExpenseRecord
from tests.agents.knowledge_world import base_of, configured, documents
from tests.fakes.embeddings import FakeEmbeddings
from tests.waiting import HANG, until

HOURS, PARKING = "# Hours\nWe open at nine in the morning.", "# Parking\nThere is no car park."


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "ANSWER", HANG)  # a busy machine is no service that fails


def service(folder: Path, database: Path, server: FakeEmbeddings, **options: Any) -> GatewayConfig:
    wanted = {"embeddings": "service", "url": f"{server.url}/v1", "api_key": "sk", "dimensions": 64} | options
    return configured(folder, database, **wanted)


async def rows(one: KnowledgeBase) -> list[str]:
    async with one.store.read() as session:
        return sorted(await session.scalars(select(DocumentRecord.name)))


def told(server: FakeEmbeddings) -> list[str]:
    return [text for request in server.requests for text in request["input"]]


def test_only_what_has_changed_is_read_again_and_what_is_gone_is_deleted(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS, parking=PARKING)
        async with FakeEmbeddings() as server:
            config = service(folder, tmp_path, server)
            async with base_of(config) as one:
                assert await rows(one) == ["hours.md", "parking.md"]
                assert told(server) == ["Hours: We open at nine in the morning.", "Parking: There is no car park."]
                find = one.finder("agent", lambda used: None, HANG)
                (found, *_) = await find(("When do you open in the morning?",))
                assert (found.file, found.heading, found.chunk) == ("hours.md", "Hours", 1)
                documents(tmp_path, hours=HOURS.replace("nine", "ten"))
                (folder / "parking.md").unlink()
                server.requests.clear()
                books = await one.load({"agent": config})
                assert (await find(("When do you open in the morning?",)))[0].text.endswith("at nine in the morning.")
                one.put(books)
                reading = books["agent"].folder
                assert (reading.files, reading.new, reading.problems) == (1, 1, [])
                again = one.finder("agent", lambda used: None, HANG)
                assert (await again(("When do you open in the morning?",)))[0].text.endswith("at ten in the morning.")
                assert await rows(one) == ["hours.md"]
            server.requests.clear()
            async with base_of(config) as one:
                assert server.requests == [], "the vectors are in the database"

    asyncio.run(scenario())


def test_a_question_goes_on_with_what_was_said_before(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS, parking=PARKING)
        async with FakeEmbeddings() as server, base_of(service(folder, tmp_path, server, least=0.3)) as one:
            find = one.finder("agent", lambda used: None, HANG)
            assert not await find(("And on Sundays?",))
            found = await find(("When do you open in the morning?", "And on Sundays?"))
            assert [each.file for each in found] == ["hours.md"]

    asyncio.run(scenario())


@pytest.mark.parametrize("words", [(), ("Yes.",), ("No, no.",), ("7 3 4 6",), ("[pressed 1 2]", "no"), ("是",)])
def test_what_asks_nothing_is_not_looked_up(tmp_path: Path, words: tuple[str, ...]) -> None:
    async def scenario() -> None:
        async with FakeEmbeddings() as server, base_of(service(documents(tmp_path, a=HOURS), tmp_path, server)) as one:
            server.requests.clear()
            assert await one.finder("agent", lambda used: None, HANG)(words) == ()
            assert not server.requests and not one.asked

    asyncio.run(scenario())


@pytest.mark.parametrize("words", ["How far is it?", "Can I pay by bus?", "在哪里？", "영업시간"])
def test_short_questions_are_looked_up(tmp_path: Path, words: str) -> None:
    async def scenario() -> None:
        async with FakeEmbeddings() as server, base_of(service(documents(tmp_path, a=HOURS), tmp_path, server)) as one:
            await one.finder("agent", lambda used: None, HANG)((words,))
            assert one.asked == 1

    asyncio.run(scenario())


def test_vectors_are_paid_for_by_the_call_and_by_the_day(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS)
        async with FakeEmbeddings() as server, base_of(service(folder, tmp_path, server)) as one:
            assert one.expenses.since_start()[""].money == pytest.approx(9 * 0.02 / 1e6)
            used: list[Used] = []
            find = one.finder("agent", used.append)
            for _ in range(2):
                await find(("When do you open?",))
            assert used == [Used("llm", "openai/text-embedding-3-small", "tokens_in", 4)], "the second time it is known"

    asyncio.run(scenario())


@pytest.mark.parametrize("why", ["cost", "day"])
def test_what_may_cost_too_much_is_not_read_in(tmp_path: Path, why: str) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS)
        prices = (PriceOptions("llm", "openai/*", "tokens_in", 1.0, 10),)
        more = {"over": lambda: "the calls of today have taken all that they may"} if why == "day" else {}
        async with FakeEmbeddings() as server:
            config = service(folder, tmp_path, server, cost=1.0 if why == "cost" else 100.0).having(prices=prices)
            async with base_of(config, **more) as one:  # type: ignore[arg-type]
                (problem,) = (await one.load({"agent": config}))["agent"].folder.problems
                assert ("may cost 1.8" in problem) if why == "cost" else ("of today" in problem)
                assert not server.requests and await rows(one) == []
                assert not await one.finder("agent", lambda used: None, HANG)(("When do you open?",))

    asyncio.run(scenario())


def test_without_a_price_the_highest_known_one_counts(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours="word " * 40_000)
        async with FakeEmbeddings() as server:
            config = service(folder, tmp_path, server, model="unheard-of")
            async with base_of(config) as one:
                (problem,) = (await one.load({"agent": config}))["agent"].folder.problems
                assert "may cost 3.0" in problem and not server.requests

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [{"status": 503}, {"key": "other"}, {"wrong": True}, {"hangs": True}])
def test_a_service_that_fails_gives_nothing_and_is_left_alone_for_a_while(
    tmp_path: Path, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "ANSWER", 0.3)

    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS)
        async with FakeEmbeddings() as server, base_of(service(folder, tmp_path, server)) as one:
            find = one.finder("agent", lambda used: None, HANG)
            for name, value in fault.items():
                setattr(server, name, value)
            server.requests.clear()
            for _ in range(3):
                assert await find(("When do you open?",)) == ()
            assert (len(server.requests), one.asked, one.failed) == (1, 3, 3)

    asyncio.run(scenario())


def test_a_model_with_other_vectors_behind_the_same_name_ends_no_turn_and_is_read_in_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS, parking=PARKING)
        async with FakeEmbeddings(dimensions=None) as server:
            config = service(folder, tmp_path, server, dimensions=0)
            async with base_of(config) as one:
                server.length = 96
                assert (
                    await one.finder("agent", lambda used: None, HANG)(("When do you open?",)) == () and one.failed == 1
                )
                one.put(await one.load({"agent": config}))
                assert await one.finder("agent", lambda used: None, HANG)(("When do you open in the morning?",))
            server.length = 32
            documents(tmp_path, hours=HOURS.replace("nine", "ten"))
            async with base_of(config) as one:
                books = await one.load({"agent": config})
                assert books["agent"].folder.files == 2
                one.put(books)
                assert await one.finder("agent", lambda used: None, HANG)(("When do you open in the morning?",))

    asyncio.run(scenario())


def test_what_one_call_has_asked_is_there_although_others_make_it_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "KEPT", 1)
    monkeypatch.setattr(encoders, "load_encoder", lambda: lambda texts: np.eye(len(texts), 512, dtype=np.float32))

    async def scenario() -> None:
        one = encoders.LocalEncoder()
        await one.question(["a"], lambda used: None)
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(one.question(texts, lambda used: None)) for texts in (["b"], ["a", "c"], ["d"])]
        assert [len(each.result()) for each in asked] == [1, 2, 1]

    asyncio.run(scenario())


def test_what_was_paid_for_is_kept_when_the_service_fails_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knowledge_base, "BATCH", 1)

    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS, parking=PARKING)
        async with FakeEmbeddings(fails_after=1) as server, base_of(service(folder, tmp_path, server)) as one:
            assert await rows(one) == ["hours.md"]

    asyncio.run(scenario())


def test_what_takes_too_long_is_left_to_the_next_reading(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS, parking=PARKING)
        async with FakeEmbeddings() as server, base_of(service(folder, tmp_path, server), patience=-1.0) as one:
            assert await rows(one) == ["hours.md"]
            assert "not all of" in one._documents["agent"].folder.problems[0] and one.unread("agent") == 1
            reading = (await one.load({"agent": service(folder, tmp_path, server)}))["agent"].folder
            assert (reading.files, reading.problems) == (2, [])

    asyncio.run(scenario())


def test_reading_in_stops_when_the_day_is_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge_base, "BATCH", 1)

    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS, parking=PARKING)
        async with FakeEmbeddings() as server:
            over = lambda: "the day is spent" if server.requests else ""  # noqa: E731
            async with base_of(service(folder, tmp_path, server), over=over) as one:
                assert await rows(one) == ["hours.md"]

    asyncio.run(scenario())


def test_each_agent_pays_with_its_own_key_and_a_changed_one_counts_at_the_reload(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS)
        async with FakeEmbeddings() as server, base_of(service(folder, tmp_path, server)) as one:
            server.key = "other"
            agents = {"agent": "sk", "tenant": "other"}
            one.put(
                await one.load({name: service(folder, tmp_path, server, api_key=key) for name, key in agents.items()})
            )
            asked = ("When do you open in the morning?",)
            assert not await one.finder("agent", lambda used: None, HANG)(asked)
            assert await one.finder("tenant", lambda used: None)(asked)
            one.put(await one.load({"agent": service(folder, tmp_path, server, api_key="other")}))
            assert await one.finder("agent", lambda used: None, HANG)(asked)

    asyncio.run(scenario())


def test_what_reading_has_cost_counts_for_the_day_after_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS)
        async with FakeEmbeddings() as server:
            config = service(folder, tmp_path, server)
            for _ in range(2):  # the second time nothing is read
                async with base_of(config) as one:
                    spent = await spent_since_midnight(one.store, datetime.now().astimezone())
                    assert spent[""].money == pytest.approx(9 * 0.02 / 1e6, abs=1e-6)
                    async with one.store.read() as session:
                        (row,) = await session.scalars(select(ExpenseRecord))
                    assert row.what == f"documents of {folder}" and row.costs["used"]

    asyncio.run(scenario())


def test_documents_are_read_while_others_are_looked_up_already(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS)
        async with FakeEmbeddings() as server:
            config = service(folder, tmp_path, server)
            async with base_of(config) as one:
                documents(tmp_path, parking=PARKING)
                one.put(await one.load({"agent": config}, fresh=False))
                assert (one.unread("agent"), one._documents["agent"].folder.files) == (1, 1)
                server.requests.clear()
                one.read_on({"agent": config})
                one.read_on({"agent": config})  # a reload in the middle of it
                await until(lambda: not one.unread("agent"))
                assert one._documents["agent"].folder.files == 2 and len(told(server)) == 1

    asyncio.run(scenario())


def test_documents_that_cannot_be_read_keep_neither_others_from_being_read_nor_rows_from_being_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied = list[int]()

    async def tidy(*_: object) -> None:
        tidied.append(1)
        if len(tidied) == 1:
            raise OSError("the database is away")

    monkeypatch.setattr(knowledge_base, "DAY", 0.01)
    monkeypatch.setattr(stored, "tidy", tidy)

    async def scenario() -> None:
        (tmp_path / "gone").mkdir()
        folder, gone = documents(tmp_path, hours=HOURS), documents(tmp_path / "gone", parking=PARKING)
        async with FakeEmbeddings() as server:
            agents = {"gone": service(gone, tmp_path, server), "agent": service(folder, tmp_path, server)}
            async with (
                Store(agents["agent"].store) as store,
                KnowledgeBase(
                    store, Expenses(prices_of(agents["agent"]), lambda: datetime.now().astimezone()), str
                ) as one,
            ):
                one.put(await one.load(agents, fresh=False))
                shutil.rmtree(gone)
                one.read_on(agents)
                await until(lambda: not one.unread("agent") and len(tidied) > 1)
                assert one.unread("gone") == 1

    asyncio.run(scenario())


def test_a_service_that_is_away_at_the_start_leaves_what_is_there(tmp_path: Path) -> None:
    async def scenario() -> None:
        folder = documents(tmp_path, hours=HOURS)
        async with FakeEmbeddings() as server:
            config = service(folder, tmp_path, server)
            async with base_of(config) as one:
                documents(tmp_path, parking=PARKING)
                server.status = 503
                books = await one.load({"agent": config})
                (problem,) = books["agent"].folder.problems
                assert "have no vectors" in problem and books["agent"].folder.files == 1
                assert books["agent"].folder.unread == 1

    asyncio.run(scenario())


def test_files_beyond_the_passages_of_a_folder_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge_base, "CHUNKS", 1)

    async def scenario() -> None:
        async with (
            FakeEmbeddings() as server,
            base_of(GatewayConfig(store=StoreOptions(str(tmp_path / "x.db")))) as one,
        ):
            config = service(documents(tmp_path, a=HOURS, b=PARKING), tmp_path, server)
            reading = (await one.load({"agent": config}))["agent"].folder
            assert reading.files == 1 and "b.md: with it" in reading.problems[0] and not reading.unread
            assert told(server) == ["Hours: We open at nine in the morning."]

    asyncio.run(scenario())


def test_what_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    def agents(text: str) -> Agents:
        return Agents(parse(text, "sipgw.toml", {}), {})

    with pytest.raises(ConfigError, match="needs a key"):
        agents(f'[knowledge]\nfolder = "{tmp_path}"\nembeddings = "service"')
    with pytest.raises(ConfigError, match="there is no folder x"):
        agents('[knowledge]\nfolder = "x"')
    with pytest.raises(ConfigError, match="gets no documents"):
        agents('[agent]\nbrain = "wss://example.com"\n[knowledge]\nfolder = "x"')
    config = GatewayConfig(openai=OpenAIOptions(api_key="sk"))  # type: ignore[call-arg]
    assert "openai" in service_of(config)[0]


@pytest.mark.slow
def test_the_embedded_encoder_finds_by_meaning_in_other_languages(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with base_of(configured(documents(tmp_path, hours=HOURS, parking=PARKING), tmp_path)) as one:
            find = one.finder("agent", lambda used: None, limit=60)
            assert (await find(("Wo kann ich mein Auto abstellen?",)))[0].file == "parking.md"
            assert one.expenses.spent().money == 0

    asyncio.run(scenario())
