"""`sipgw eval` with the prompts of one agent, as the page of prompts runs it."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.config import load
from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from sipgw.records.store.tables import ExpenseRecord
from sipgw.web import comparisons
from sipgw.web.comparisons import EVAL, Comparisons
from tests.fakes.http import Exchange
from tests.fakes.openai import FakeOpenAI, Reply
from tests.waiting import until
from tests.web.gateway_view import FakeGatewayView

SET = """
name = "repairs"
[[calls]]
name = "who are you?"
says = ["we mend"]
steps = [{say = "Who are you?"}, {hang_up = true, pause = "2s"}]
"""


class Obedient(FakeOpenAI):
    """A model that says what its prompt tells it to say."""

    async def respond(self, exchange: Exchange) -> None:
        if exchange.method == "POST":
            told = next(one["content"] for one in json.loads(exchange.body)["messages"] if one["role"] == "system")
            self.replies = [Reply(["We mend."] if "You mend" in told else ["We repair."])]
        await super().respond(exchange)


def files(folder: Path) -> None:
    for name, text in (
        ("sipgw.toml", '[agent]\nllm = "openai"\n[gate]\naudit = "gate"\n'),
        ("agents/repairs.md", "You repair.\n"), ("evals/repairs.toml", SET),
        ("old.md", "You repair.\n"), ("new.md", "You mend.\n"),
    ):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.slow
def test_two_prompts_of_an_agent_are_compared_by_the_real_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparisons, "NICE", 0)  # one that yields to every other program would take longer than a hang
    assert EVAL[0] == sys.executable

    async def compare() -> None:
        async with Obedient([]) as server, contextlib.AsyncExitStack() as stack:
            monkeypatch.setenv("OPENAI_API_KEY", server.key)
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            store = await stack.enter_async_context(Store(StoreOptions(str(tmp_path / "x.db"))))
            gateway = FakeGatewayView(load(tmp_path / "sipgw.toml"), store)
            made = await stack.enter_async_context(Comparisons(gateway))  # type: ignore[arg-type]
            done = made.begin(
                tmp_path / "sipgw.toml", "repairs", 7, {"in-use": "You repair.", "version-7": "You mend."}
            )
            await until(lambda: done.state != "running")
            assert (done.state, done.problem, done.evaluated) == ("done", "", "repairs.toml")
            old, new = done.result["contestants"]
            assert (old["name"], new["name"]) == ("in-use", "version-7")
            assert "We repair." in old["calls"][0]["conversation"]
            assert "We mend." in new["calls"][0]["conversation"]
            assert (len(old["calls"][0]["faults"]), new["calls"][0]["faults"]) == (1, [])
            costs = await stack.enter_async_context(store.read())
            (paid,) = await costs.scalars(select(ExpenseRecord.costs))
            used = {name.split()[-1] for name in paid["used"]}
            assert {"tokens_in", "tokens_out"} <= used and 0 < gateway.expenses.spent().money == pytest.approx(
                paid["most"], abs=1e-6
            )

    asyncio.run(compare())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--agent", "nobody"], "there is no agent 'nobody'; there are agent, repairs"),
        (["--prompt", "old.md", "--prompt", "agents/../old.md"], "two prompts have the same name"),
        (["--prompt", "missing.md"], "--prompt: "),
        (
            ["--agent", "repairs", "-c", "sipgw.toml", "-c", "sipgw.toml"],
            "--agent and --prompt are for one configuration",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    ran = CliRunner().invoke(app, ["eval", "evals/repairs.toml", *arguments], env={"COLUMNS": "300"})
    assert ran.exit_code == 2, ran.output
    assert told in ran.output
