"""The set ``ear``: each check is seen to pass and to fail, on virtual time and with an OpenAI-compatible server."""

import asyncio
import json
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.records import Report
from agent.tools import tool
from sipgw.cli.main import app
from sipgw.config.agent import AgentOptions
from sipgw.events import CallReported
from sipgw.tools.evaluation import command
from sipgw.tools.evaluation.by_ear import ByEarOptions, unfit
from sipgw.tools.evaluation.command import located
from sipgw.tools.evaluation.conversation import ConversationLog, unexpected
from sipgw.tools.evaluation.eval_set import CallOptions, read_set
from sipgw.tools.simulate.acting import fits
from sipgw.tools.simulate.scenario import ReplyOptions, Scenario
from tests.fakes.http import Exchange
from tests.fakes.openai import FakeOpenAI, Reply
from tests.virtual_calls import play

EAR = located(Path("ear"))
SET = read_set(EAR)
DIALOGUES: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "ear_replies.toml").read_text())["dialogues"]
REPLIES = {one["name"]: one for one in DIALOGUES}


def replies(name: str, how: str) -> tuple[ReplyOptions, ...]:
    return tuple(ReplyOptions(**one) for one in REPLIES[name][how])


@tool
async def get_order_status(order_number: str) -> dict[str, str]:
    """Look up what has become of an order."""
    return {"number": order_number, "item": "a blue raincoat"}


def faults_of(options: CallOptions, how: str) -> list[str]:
    """What the set finds in a dialogue with these replies."""
    log = ConversationLog()

    def watch(report: Report) -> None:
        log.watch(CallReported("c1", datetime.now(UTC), report))

    async def transfer(to: str) -> bool:
        log.handed_over = True
        return True

    scenario = Scenario(
        options.steps, options.name, replies=replies(options.name, how), languages=SET.languages,
        agent=AgentOptions(tools=SET.tools),
    )  # fmt: skip
    verdict = play(scenario, EAR.parent, tools=[get_order_status], transfer=transfer, watch=watch)
    return unexpected(options, log, verdict, SET)


def test_there_are_twenty_dialogues_and_replies_to_each() -> None:
    assert len({one.name for one in SET.calls}) == 20 == len(SET.calls)
    assert {one.name for one in SET.calls} == set(REPLIES)


@pytest.mark.parametrize("options", SET.calls, ids=lambda one: one.name)
def test_good_replies_pass_and_bad_ones_are_found_out(options: CallOptions) -> None:
    assert faults_of(options, "good") == []
    found = faults_of(options, "bad")
    for fault in REPLIES[options.name]["faults"]:
        assert any(fault in one for one in found), (fault, found)


ANY = ByEarOptions()
LISTENER = SET.by_ear


@pytest.mark.parametrize(
    "text",
    [
        "It is 4 8 2 1, 3 9 0 7.",
        "Call 555 014 2738, or 1,250 people will.",
        "That is j dot m i l l e r at example dot com, underscore john_miller.",
        "Dr. Smith comes on March second at nine.",
        "In the year 2027 it costs 12.50 dollars.",
        "One of three two-seaters; the sun sat on it in May.",
    ],
)
def test_what_can_be_followed_by_ear(text: str) -> None:
    assert unfit(LISTENER, [text], [text], ()) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("**Sure**", "markup"),
        ("# Colours", "markup"),
        ("[here](acme)", "markup"),
        ("- red", "a list mark"),
        ("There are:\n2. blue", "a list mark"),
        ("Done 👍", "an emoji"),
        ("See www.acme.example", "an address to be read"),
        ("See acme.example/manuals", "an address to be read"),
        ("On 3/4.", "a date in digits"),
        ("It is approx. ten", "an abbreviation"),
        ("Open Mon-Fri", "an abbreviation"),
        ("It is 48213907.", "8 digits without a pause"),
        ("It is 4 8 2 1 3.", "5 digits without a pause"),
        ("It is four eight two one three.", "5 digits without a pause"),
        ("Which one? When?", "2 questions"),
        ("Well " * 17, "17 words in the first sentence"),
        ("Yes. " + "Well " * 26, "26 words in a sentence"),
        ("So it is. " * 17, "51 words in a turn"),
        ("Red, blue, green or white.", "4 items at once"),
    ],
)
def test_what_cannot_be_followed_by_ear(text: str, fault: str) -> None:
    (found,) = unfit(LISTENER, [text], [text], ("red", "blue", "green", "white", "ink"))
    assert fault in found
    assert unfit(ANY, [text], [text], ("red",)) == []


class ScriptedServer(FakeOpenAI):
    """Answers with the replies of the dialogue to which a conversation belongs."""

    def __init__(self, how: str) -> None:
        super().__init__([])
        self.how = how

    async def respond(self, exchange: Exchange) -> None:
        if exchange.method == "POST":
            self.choose(json.loads(exchange.body)["messages"])
        await super().respond(exchange)

    def choose(self, messages: Sequence[Mapping[str, Any]]) -> None:
        said = [str(one["content"]) for one in messages if one["role"] == "user"]
        if "caller_answered" in said[0]:
            found = ReplyOptions(calls="report_verdict", arguments='{"verdict": "yes"}')
        else:
            name = next(
                one.name for one in SET.calls for step in one.steps[:2] if step.say and said[0].startswith(step.say)
            )
            found = next((one for one in replies(name, self.how) if fits(one, messages)), ReplyOptions(says="Pardon?"))  # type: ignore[arg-type]
        call = (f"c{len(messages)}", found.calls, found.arguments)
        self.replies = [Reply([found.says] if found.says else (), [call] if found.calls else ())]


@pytest.mark.slow
@pytest.mark.parametrize(("how", "status"), [("good", 0), ("bad", 1)])
def test_the_command_of_the_documentation_judges_an_openai_compatible_server(
    how: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP, SIP and RTP; of two dialogues that are short with either replies, since each takes its time."""
    page = (Path(__file__).parents[3] / "docs" / "eval.md").read_text().partition("## By ear")[2]
    (options, *_), (words, *_) = (
        re.findall(pattern, page, re.MULTILINE | re.DOTALL)
        for pattern in (r"^```toml\n(.*?)^```", r"^sipgw (eval ear .*?)$")
    )
    (tmp_path / "openai.toml").write_text(options)
    monkeypatch.chdir(tmp_path)
    calls = tuple(one for one in SET.calls if one.name in ("an amount of money", "is it a machine?"))
    monkeypatch.setattr(command, "read_set", lambda path: replace(read_set(path), calls=calls))

    async def judge() -> Any:
        async with ScriptedServer(how) as server:
            monkeypatch.setenv("OPENAI_API_KEY", server.key)
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            run = [*shlex.split(words, comments=True), "--json"]
            return await asyncio.to_thread(CliRunner().invoke, app, run)  # noqa: TID251

    ran = asyncio.run(judge())
    assert ran.exit_code == status, ran.output
    (found,) = json.loads(ran.stdout)["contestants"]
    told = {one["scenario"]: one["faults"] for one in found["calls"]}
    assert ran.exit_code == status, (ran.output, told)
    for name, faults in told.items():
        wanted = REPLIES[name]["faults"] if status else []
        assert bool(faults) is bool(status), told
        assert all(any(part in one for one in faults) for part in wanted), told
