"""Tools of the agent's owner: which is meant, what it is called with, and what the caller hears."""

import asyncio
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

import numpy as np
import pytest

from agent.consent import judged
from agent.errors import ProviderError
from agent.history import INTERRUPTED, RUNNING
from agent.llm import ToolCall
from agent.pool import Pool
from agent.providers.local.brain import llm, tool_choice
from agent.providers.local.brain.dialogue import Dialogue
from agent.providers.local.brain.filling import LONGEST_VALUE
from agent.providers.local.brain.guess import Guess
from agent.providers.local.brain.intents import Intents
from agent.providers.local.brain.llm import LocalLlm
from agent.providers.local.brain.parameters import Form, own_tool
from agent.providers.local.brain.phrases import QUESTIONS, Ask
from agent.providers.local.brain.tool_choice import SURE, Match
from agent.tools import CONFIRM, Tool, Toolbox, tool
from agent.turn_taking.expect import Expected, Kind
from tests.agent.brain.caller import HANG_UP, PERSON, Caller, pieces, schema
from tests.agent.brain.measure_tools import MODEL, UNSEEN, phrasings, tried
from tests.agent.brain.owner_tools import (
    BUSINESSES,
    book_table,
    find_book,
    order_status,
    plan_route,
    todays_specials,
    weather,
)
from tests.agent.brain.test_model import HOSTILE

MORE = QUESTIONS[Ask.MORE]
EXPECT = schema("expect", kind={"type": "string"}, length={"type": "integer", "default": 0})


def caller(*tools: Tool, answer: Any = None, extra: tuple[Any, ...] = ()) -> Caller:
    """A caller whose tools really run, unless `answer` answers for them."""
    toolbox = Toolbox(tools)

    def run(name: str, arguments: Mapping[str, Any]) -> Any:
        if answer is not None:
            return answer(name, arguments)
        done = asyncio.run(toolbox.run(name, json.dumps(arguments)))
        return {"error": done.error} if done.error else done.result

    return Caller([*(one.schema for one in tools), HANG_UP, *extra], run, MODEL)


THINGS = ("book", "lamp", "sofa", "desk", "rug", "vase", "tent", "sock", "hat")
MANY = [schema(f"find_{thing}", title={"type": "string"}) for thing in THINGS]


def even(texts: list[str]) -> Any:
    return np.ones((len(texts), 4), dtype=np.float32)


def test_neither_tools_nor_sentences_in_use_are_embedded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many others there were: for each reply a conversation is followed from its beginning."""
    monkeypatch.setattr(tool_choice, "MOST_VECTORS", 40)
    asked = Counter[str]()

    def encode(texts: list[str]) -> Any:
        asked.update(texts)
        return even(texts)

    likeness = tool_choice.Likeness(encode)
    tools = [one for one in map(own_tool, MANY) if one]
    for first, second in itertools.product("abcdefghij", repeat=2):
        likeness.best("Do you have Moby Dick?", tools)
        likeness.best(f"is it {first} {second} good?", tools)
    assert max(asked.values()) == 1, asked.most_common(3)
    assert len(asked) > 3 * 40, "the bound was reached"
    assert len(likeness._vectors) + len(likeness._older) < 100, "what nobody uses is forgotten"


@pytest.mark.parametrize("tools", [[], MANY], ids=["no tools", "many tools"])
def test_a_conversation_is_followed_in_a_thread(tools: list[Any]) -> None:
    threads = set()

    def encode(texts: list[str]) -> Any:
        threads.add(threading.current_thread())
        return even(texts)

    model = LocalLlm(intents=Intents(encode))
    pieces([{"role": "user", "content": "Do you have Moby Dick?"}], tools, model)
    assert threads and threading.current_thread() not in threads


def test_too_many_calls_at_once_are_a_fault_of_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm, "FOLLOWING", Pool("the embedded brain, full", workers=0, waiting=0))
    with pytest.raises(ProviderError, match="too much work"):
        pieces([{"role": "user", "content": "Do you have Moby Dick?"}], MANY, LocalLlm(intents=Intents(even)))


@pytest.mark.parametrize("business", BUSINESSES)
def test_phrasings_lead_to_the_right_call(business: str) -> None:
    """Each is alone measured by `measure_tools`; that all twenty are offered at once loses one more."""
    tries = [tried(one, BUSINESSES[business]) for one in phrasings() if one.business == business]
    wrong = [(one.phrasing.said, one.called) for one in tries if not one.right]
    assert len(tries) >= 15
    assert len(wrong) <= (2 if business == UNSEEN else 0), wrong


def test_the_tool_of_the_readme_answers() -> None:
    call = caller(find_book)
    assert call.says("Do you have Moby Dick?") == f"Moby Dick, stock: two copies on the second floor. {MORE}"
    assert call.calls == [("find_book", {"title": "Moby Dick"})]


def test_a_question_behind_a_title_is_no_part_of_it_and_a_verb_is_no_title() -> None:
    call = caller(find_book)
    call.says("I'm looking for a novel called The Old Man and the Sea, is it there?")
    assert call.calls == [("find_book", {"title": "The Old Man and the Sea"})]
    assert caller(find_book).says("Do you sell books?") == "Sure. Please tell me the title."


@tool
async def submit_reading(kwh: int) -> None:
    """Submit the reading of the electricity meter."""


@tool
async def find_meter(kwh: int) -> None:
    """Find the electricity meter with this reading."""


@pytest.mark.parametrize(
    ("own", "said"), [(submit_reading, "That is done: 4711."), (find_meter, "I found nothing for 4")]
)
def test_a_tool_that_returns_nothing_has_done_it_unless_it_was_to_find_something(own: Tool, said: str) -> None:
    assert caller(own).says(f"Please {own.name.replace('_', ' ')} 4711 kwh of electricity.").startswith(said)


def test_what_is_missing_is_asked_by_its_description_and_the_answer_fills_it() -> None:
    call = caller(order_status, extra=(EXPECT,))
    assert call.says("I'd like to know where my order is") == "Sure. Please tell me the order number."
    assert call.calls == [("expect", {"kind": "digits", "length": 6})]
    assert call.says("it's 734") == "7 3 4, and then?"
    said = call.says("six one two")
    assert call.calls[-1] == ("order_status", {"order_number": "734612"})
    assert said == f"7 3 4 6 1 2. On its way. Expected: November 25. {MORE}"


def test_what_no_tool_is_like_is_answered_by_what_the_tools_can_do() -> None:
    call = caller(find_book, weather)
    said = call.says("my cat has learnt to play the piano")
    assert "I can find out whether a book is in stock or tell you the weather forecast for a city" in said
    assert "cannot" not in said


def test_the_only_tool_says_what_it_needs() -> None:
    call = caller(find_book)
    assert call.says("my cat has learnt to play the piano") == (
        "I can find out whether a book is in stock. Please tell me the title."
    )
    assert call.says("Emma") == f"Emma, stock: two copies on the second floor. {MORE}"


def test_a_tool_without_parameters_is_offered_before_it_is_run_on_a_doubt() -> None:
    call = caller(todays_specials)
    assert call.says("my cat has learnt to play the piano") == (
        "I can list the specials on today's menu. Shall I do that?"
    )
    assert not call.calls
    assert call.says("no thanks").startswith("All right.")
    assert call.says("What are today's specials?") == f"There is: mushroom soup, grilled trout and apple pie. {MORE}"


DENIAL = re.compile(r"cannot|can't|unable|simple assistant|only talk to you")
WISHES = (
    "where is my order", "I want to change my order", "call me back", "can somebody ring me tomorrow",
    "what can you do", "let me talk to a person", "I have no order number", "my cat has learnt to play the piano",
)  # fmt: skip


@tool
async def arrange_ring(person: Annotated[str, "Name of the caller."], branch: Annotated[str, "Which branch."]) -> str:
    """Let the branch ring somebody up later."""
    return "done"


@pytest.mark.parametrize("own", [find_book, arrange_ring, plan_route], ids=lambda one: str(one.name))
@pytest.mark.parametrize("said", WISHES)
def test_an_agent_with_a_tool_of_its_owner_denies_nothing(said: str, own: Tool) -> None:
    call = caller(own)
    assert not DENIAL.search(call.says(said))
    assert not DENIAL.search(call.says(said))


@pytest.mark.parametrize("intent", ["order_status", "no_number", "order_change", "callback", "human"])
def test_a_wish_of_the_script_without_its_tool_becomes_an_offer_of_the_owners(intent: str) -> None:
    own = own_tool(arrange_ring.schema)
    assert own
    talk = Dialogue(
        frozenset(), (own,), guess=lambda text: Guess(intent, 0.9), best=lambda text: Match(own, SURE - 0.01, 0.0),
        today=date(2026, 11, 23),
    )  # fmt: skip
    said = talk.follow([{"role": "user", "content": "please ring me"}])
    assert said.sentences == ("I can let the branch ring somebody up later.", "Please tell me the name of the caller.")


def test_a_tool_of_the_script_whose_schema_takes_no_answer_is_not_denied() -> None:
    strict = schema("schedule_callback", phone_number={"type": "string", "pattern": "^0049"}, when={"type": "string"})
    call = Caller([strict, HANG_UP], model=MODEL)
    call.says("call me back tomorrow at nine on 555 123 4567")
    assert call.says("yes") == f"I am sorry, that did not work. {MORE}"


class Gateway:
    """Answers a tool that needs consent as the gateway does."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __call__(self, name: str, arguments: Mapping[str, Any]) -> Any:
        key = json.dumps(arguments, sort_keys=True)
        if key in self.asked:
            return {"status": "booked"}
        self.asked.add(key)
        return {"status": CONFIRM}


SMITH = {"people": 4, "time": "tomorrow at seven", "name": "Smith"}
READ_BACK = "Book a table at the restaurant: people 4, time tomorrow at seven, name Smith. Is that right?"


def test_what_cannot_be_undone_is_read_back_and_done_after_a_yes() -> None:
    call = caller(book_table, answer=Gateway())
    assert call.says("I'd like a table for four tomorrow at seven under the name Smith") == READ_BACK
    assert call.says("hm, what does it cost?") == READ_BACK
    assert len(call.calls) == 1
    assert call.says("Yes, please.") == f"That is done: 4, tomorrow at seven, Smith. {MORE}"
    assert call.calls == [("book_table", SMITH)] * 2


def test_its_own_judge_takes_the_read_back_for_a_question_about_these_arguments() -> None:
    action = f"book_table {json.dumps(SMITH)}"
    assert asyncio.run(judged(MODEL, action, f"Agent: {READ_BACK}", "Yes."))


def test_a_yes_to_a_read_back_that_was_not_heard_is_none() -> None:
    call = caller(book_table, answer=Gateway())
    call.says("I'd like a table for four tomorrow at seven under the name Smith", hears="Book a table—")
    assert call.says("yes") == READ_BACK
    assert len(call.calls) == 1


def test_what_was_read_back_is_corrected() -> None:
    call = caller(book_table, answer=Gateway())
    call.says("I'd like a table for four tomorrow at seven under the name Smith")
    assert "people 5" in call.says("no, for five people")
    assert call.says("no, the name is wrong") == "All right. Please tell me the name for the reservation."
    assert "name Miller" in call.says("Miller")
    call.says("yes")
    assert call.calls[-1] == ("book_table", {**SMITH, "people": 5, "name": "Miller"})


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"error": "we are fully booked"}, "I am sorry: we are fully booked."),
        ({"error": "it failed (KeyError)"}, "I am sorry, that did not work just now."),
        ({"error": "no answer within 3 s; it is not known whether it was done; do not try again"},
         "I am sorry, I do not know whether that was done."),
        (json.loads(RUNNING), "That takes a moment. I will tell you as soon as I know."),
        (json.loads(INTERRUPTED), ""),
        ({"error": "wrong arguments: city: String should match"}, "That does not look right. Please tell me the city."),
        ([], "I found nothing for Paris."),
        (None, "I found nothing for Paris."),
        (True, "Paris: yes."),
        (12.5, "Paris: 12.5."),
        ("Sunny, twenty degrees", "Sunny, twenty degrees."),
        ({"ok": True}, "That is done: Paris."),
        ({"city": "Paris", "sky": "cloudy"}, "Paris, sky: cloudy."),
        ({"answer": "It rains"}, "It rains."),
        ([{"day": "Monday", "sky": "grey"}, {"day": "Tuesday", "sky": "blue"}],
         "Paris: day Monday sky grey and day Tuesday sky blue."),
    ],
)  # fmt: skip
def test_results_are_said_in_plain_sentences(result: Any, said: str) -> None:
    call = caller(weather, answer=lambda name, arguments: result)
    heard = call.says("What's the weather like in Paris?")
    assert heard.removesuffix(MORE).strip() == said


def test_a_question_that_is_never_answered_leads_to_a_person() -> None:
    call = caller(order_status, extra=(PERSON,))
    call.says("I'd like to check on an order")
    assert call.says("the blue one over there").startswith("Sorry, I did not get that.")
    call.says("you know which one I mean")
    assert call.says("it is blue").endswith(QUESTIONS[Ask.PERSON])


def test_a_caller_who_goes_away_from_a_question_is_followed() -> None:
    call = caller(find_book, weather)
    call.says("do you have a certain book in stock?")
    assert call.says("never mind") == f"All right. {MORE}"
    call.says("do you have a certain book in stock?")
    assert call.says("What is the weather like in Oslo?").startswith("City") or call.calls[-1][0] == "weather"
    call.says("do you have a certain book in stock?")
    assert call.says("goodbye").endswith("Goodbye.")


@pytest.mark.parametrize("said", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_speech_only_fills_bounded_arguments(said: str) -> None:
    call = caller(*BUSINESSES["travel"])
    call.says("How do you say something in French?")
    assert call.says(said)
    for _, arguments in call.calls:
        assert all(len(str(value)) <= LONGEST_VALUE for value in arguments.values())


@pytest.mark.parametrize("said", [*HOSTILE, "9" * 900, "nine " * 190], ids=range(len(HOSTILE) + 2))
def test_hostile_numbers_are_none_that_a_tool_gets(said: str) -> None:
    call = caller(*BUSINESSES["travel"])
    call.says("I want to change some euros into pounds.")
    assert call.says(said)
    assert all(arguments["amount"] < 1e15 for name, arguments in call.calls if name == "convert_money")


def test_forms_of_parameters() -> None:
    @tool
    async def everything(
        pin: Annotated[str, "Four digits.", Expected(Kind.DIGITS, 4)],
        mail: Annotated[str, Expected(Kind.EMAIL)],
        born: date,
        people: int | None,
        sure: bool,
        title: str,
        city: str,
        name: str,
        message: str,
        day: str,
    ) -> None:
        """Take everything."""

    found = own_tool(everything.schema)
    assert found is not None
    assert [one.form for one in found.parameters] == [
        Form.DIGITS, Form.EMAIL, Form.DATE, Form.NUMBER, Form.YES_NO, Form.THING, Form.PLACE, Form.NAME, Form.SENTENCE,
        Form.WHEN,
    ]  # fmt: skip
    assert found.parameters[0].length == 4


@pytest.mark.parametrize(
    "parameters", [None, {"properties": []}, {"properties": {"a": 5}}, {"properties": {"a": {"$ref": "#/$defs/x"}}}]
)
def test_malformed_schemas_are_passed_over(parameters: Any) -> None:
    tools = [{"type": "function", "function": {"name": "odd", "description": "Odd.", "parameters": parameters}}]
    found = pieces([{"role": "user", "content": "do the odd thing for me please"}], tools, MODEL)
    assert found
    assert all(isinstance(json.loads(one.arguments), dict) for one in found if isinstance(one, ToolCall))
