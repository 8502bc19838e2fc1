"""``sipgw knowledge``, with the embeddings of a service that runs in a thread."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli import knowledge
from sipgw.cli.main import app
from sipgw.policy.inbound.limits import SpentToday
from tests.agents.knowledge_world import documents
from tests.fakes.embeddings import FakeEmbeddings

CONFIG = """\
[knowledge]
folder = "{folder}"
embeddings = "service"
url = "{url}/v1"
api_key = "${{KEY}}"
dimensions = 64
[store]
path = "{folder}.db"
"""


@pytest.fixture
def url() -> Iterator[str]:
    loop, over, found = asyncio.new_event_loop(), asyncio.Event(), list[str]()
    ready = threading.Event()

    async def serve() -> None:
        async with FakeEmbeddings() as server:
            found.append(server.url)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait()
    yield found[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def test_documents_are_added_asked_and_measured(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "sk")
    monkeypatch.setattr(knowledge, "answer_of", lambda question, texts: texts[0] if texts else "")
    monkeypatch.setattr(knowledge, "QUICK", 60.0)
    folder = documents(tmp_path, hours="# Hours\nWe open at nine.")
    file = tmp_path / "sipgw.toml"
    file.write_text(CONFIG.format(folder=folder, url=url))
    (tmp_path / "parking.md").write_text("# Parking\nPark in the yard.")

    def command(*words: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["knowledge", *map(str, words), "--config", str(file)])
        return done.exit_code, " ".join(done.output.split())

    status, told = command("add", tmp_path / "parking.md")
    assert status == 0 and "documents.db is a new database; if a gateway runs, run this in its working folder" in told
    assert told.partition(" folder ")[2].startswith("2 documents, 2 of them read now, 2 passages, for 0.0000")
    status, told = command("add", tmp_path / "parking.md")
    assert (status, told) == (0, "2 documents, 0 of them read now, 2 passages")
    (folder / "parking.md").write_text("another")
    assert "another document of that name" in command("add", tmp_path / "parking.md")[1]
    (folder / "parking.md").unlink()
    (folder / "broken.pdf").write_bytes(b"%PDF-")
    status, told = command("add", tmp_path / "parking.md")
    assert status == 1 and "broken.pdf: it cannot be read" in told and "2 documents" in told

    status, told = command("ask", "Where do I park?")
    assert status == 0 and "parking.md › Parking (" in told
    assert "The embedded brain says: Park in the yard." in told

    questions = tmp_path / "questions.toml"
    questions.write_text('[[questions]]\nask = "When do you open?"\nfile = "hours.md"\nheading = "Hours"\n')
    status, told = command("eval", questions)
    assert status == 0 and "1 of 1 goal ≥ 90 % met" in told and told.endswith("ms met")
    questions.write_text(questions.read_text() + '[[questions]]\nask = "When do you open?"\nfile = "none.md"\n')
    status, told = command("eval", questions)
    assert (
        status == 1 and "1 of 2 goal ≥ 90 % missed" in told and "not found: When do you open? (wanted none.md" in told
    )
    assert "there is no agent 'x'" in command("ask", "x", "--agent", "x")[1]


def test_nothing_is_added_when_the_money_of_the_day_is_spent(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def spent(store: object, now: object) -> dict[str, SpentToday]:
        return {"": SpentToday(money=5.0)}

    monkeypatch.setenv("KEY", "sk")
    monkeypatch.setattr(knowledge, "spent_since_midnight", spent)
    file = tmp_path / "sipgw.toml"
    limits = "[limits]\nmoney_per_day = 4\n"
    file.write_text(limits + CONFIG.format(folder=documents(tmp_path, hours="# Hours\nWe open at nine."), url=url))
    done = CliRunner().invoke(app, ["knowledge", "add", "--config", str(file)])
    told = " ".join(done.output.split())
    assert done.exit_code == 1 and "have taken all that they may" in told and "0 documents" in told


def test_a_look_up_that_fails_is_an_error_and_not_an_empty_answer(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk")
    file, folder = tmp_path / "sipgw.toml", documents(tmp_path, hours="# Hours\nWe open at nine.")
    file.write_text(CONFIG.format(folder=folder, url=url))
    questions = tmp_path / "questions.toml"
    questions.write_text('[[questions]]\nask = "When do you open?"\nfile = "hours.md"\n')

    def command(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["knowledge", *words, "--config", str(file)])
        return done.exit_code, " ".join(done.output.split())

    assert command("add")[0] == 0
    (folder / "broken.pdf").write_bytes(b"%PDF-")
    status, told = command("ask", "When do you open?")
    assert status == 0 and "hours.md › Hours" in told and "broken.pdf: it cannot be read" in told
    monkeypatch.setenv("KEY", "another")
    for words in (("ask", "When do you open?"), ("eval", str(questions))):
        status, told = command(*words)
        assert status == 1 and "error: openai: refused the API key" in told
        assert "0 passages" not in told and "missed" not in told
