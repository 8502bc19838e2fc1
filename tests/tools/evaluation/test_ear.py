"""The set ``ear``: each check is seen to pass and to fail, on virtual time and against an OpenAI-compatible server."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.records import Report
from agent.tools import tool
from sipgw.config.agent import AgentOptions
from sipgw.events import CallReported
from sipgw.tools.evaluation.by_ear import ByEarOptions, unfit
from sipgw.tools.evaluation.command import located
from sipgw.tools.evaluation.conversation import ConversationLog, unexpected
from sipgw.tools.evaluation.eval_set import CallOptions, read_set
from sipgw.tools.simulate.scenario import ReplyOptions, Scenario
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
