"""Tools whose parameters the caller has to confirm: in cascades and with speech to speech."""

import asyncio
import json
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel

from agent.collect import PhoneAddress, PhoneAmount, PhoneCard, PhoneDate, PhoneEmail, PhoneName, PhoneNumber
from agent.consent import REPORT, Consent
from agent.forms.fields import FormSetting
from agent.forms.telephone import ExpectedNumber
from agent.history import AssistantTurn, History, Sentence, UserTurn
from agent.tools import Tool, Toolbox, ToolFileError, collecting, result_text, tool
from agent.turn_taking.expect import Expected, Kind
from tests.agent.holding import Setting, hold
from tests.agent.realtime_holding import gone
from tests.agent.realtime_holding import hold as hold_realtime
from tests.fakes.line import calls, says
from tests.virtual import run

HOME = {"street": "Mill Lane", "number": "3", "city": "Ulm"}


def signing_up(ran: list[Any]) -> Tool:
    @tool(side_effect=True)
    async def sign_up(mail: PhoneEmail) -> str:
        """Send the newsletter to an address."""
        ran.append(mail)
        return "done"

    return sign_up


class Model:
    """Calls a tool with what the caller is to have said, and says what it is told to say back."""

    def __init__(self, name: str, *arguments: dict[str, Any], judges: str = "unclear") -> None:
        self._name, self._arguments, self._judges = name, list(arguments), judges
        self.judged: list[str] = []
        self.told: list[dict[str, Any]] = []

    def __call__(self, messages):
        last = messages[-1]
        if "You judge" in messages[0]["content"]:
            self.judged.append(json.loads(last["content"])["caller_answered"])
            return [calls(REPORT, verdict=self._judges)]
        if last["role"] == "user":
            given = self._arguments.pop(0) if len(self._arguments) > 1 else self._arguments[0]
            return [calls(self._name, **given)]
        told = json.loads(last["content"])
        self.told.append(told)
        if "say_back" in told:
            return [0.2, *says(f"So {', '.join(told['say_back'].values())}. Is that right?")]
        return says("Thank you." if told == "done" else "How is that spelled?")


def held(model: Model, tools: list[Tool], *answers: str, pause: float = 7) -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        for answer in answers:
            await caller.say(answer)
            await asyncio.sleep(pause)
        caller.hang_up()

    hold(plan, Setting(script=model, tools=tools))


def test_a_tool_runs_with_what_the_caller_has_confirmed() -> None:
    ran: list[Any] = []
    model = Model("sign_up", {"mail": "jo dot ray at example dot com"})
    held(model, [signing_up(ran)], "jo dot ray at example dot com", "yes")
    assert ran == ["jo.ray@example.com"]
    assert model.told[0]["say_back"] == {"mail": "J-O dot R-A-Y at example dot com"}
    assert model.judged == [], "a plain yes to exactly that needs no second opinion"


def test_without_an_answer_it_does_not_run() -> None:
    for answers in ((), ("hello",), ("what is it for",), ("no",)):
        ran: list[Any] = []
        model = Model("sign_up", {"mail": "jo@example.com"})
        held(model, [signing_up(ran)], "jo at example dot com", *answers)
        assert ran == []
    assert "said no" in model.told[1]["status"]


def test_what_is_no_plain_yes_is_judged() -> None:
    for verdict, expected in (("yes", ["jo@example.com"]), ("unclear", [])):
        ran: list[Any] = []
        model = Model("sign_up", {"mail": "jo@example.com"}, judges=verdict)
        held(model, [signing_up(ran)], "jo at example dot com", "that is what it says on my card")
        assert (ran, model.judged) == (expected, ["that is what it says on my card"])


def test_what_is_not_valid_is_asked_for_and_the_caller_may_pause_in_it() -> None:
    ran: list[Any] = []
    told: list[Expected] = []
    box = Toolbox([signing_up(ran)])
    box.collector.expect = told.append
    answer = run(box.run("sign_up", '{"mail": "jo at example"}'))
    assert "ask the caller" in answer.error
    assert told == [Expected(Kind.EMAIL)]
    assert ran == []
    assert box.expected == (Expected(Kind.EMAIL),)


def test_a_telephone_number_is_expected_in_the_country_of_the_call() -> None:
    @tool
    async def call_back(number: PhoneNumber) -> str:
        """Call somebody back."""
        return number

    box = Toolbox([call_back])
    box.collector.setting = FormSetting(country="GB")
    told: list[Expected] = []
    box.collector.expect = told.append
    assert box.expected == (ExpectedNumber(Kind.DIGITS, country="GB"),)
    assert run(box.run("call_back", '{"number": "020 7946"}')).error
    assert told == [ExpectedNumber(Kind.DIGITS, country="GB")]


def test_one_part_is_corrected_and_only_it_is_said_back() -> None:
    ran: list[Any] = []

    @tool
    async def deliver(home: PhoneAddress) -> str:
        """Deliver something."""
        ran.append(home.street)
        return "done"

    model = Model("deliver", {"home": HOME}, {"home": HOME | {"street": "Hill Lane"}})
    held(model, [deliver], "Mill Lane 3 in Ulm", "no, the street is Hill Lane", "yes")
    assert [list(one["say_back"]) for one in model.told[:2]] == [["home street", "home city"], ["home street"]]
    assert ran == ["Hill Lane"]


def test_what_one_tool_was_told_another_one_knows() -> None:
    ran: list[Any] = []

    @tool
    async def book(guest: PhoneName, mail: PhoneEmail | None = None) -> str:
        """Book a table."""
        ran.append((guest, mail))
        return "done"

    steps = iter([calls("collect", guest="Jo Ray"), calls("collect", guest="Jo Ray"), calls("book", guest="Jo Ray")])
    asked: list[str] = []

    def script(messages):
        last = messages[-1]
        if last["role"] == "user":
            return [next(steps)]
        asked.append(last["content"])
        if "say_back" in last["content"]:
            return says("Jo Ray, R-A-Y, is that right?")
        return [next(steps)] if "keep it" in last["content"] else says("Booked.")

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("my name is Jo Ray")
        await asyncio.sleep(7)
        await caller.say("yes")
        await asyncio.sleep(7)
        caller.hang_up()

    hold(plan, Setting(script=script, tools=[book, *collecting([book])]))
    assert ran == [("Jo Ray", None)]
    assert len(asked) == 3, "nothing is said back twice"


def test_tools_without_fields_have_nothing_to_collect() -> None:
    @tool
    async def look(title: str) -> str:
        """Look for a book."""
        return title

    assert collecting([look]) == []
    assert not look.asks
    assert signing_up([]).asks


def test_a_card_is_keyed_in_checked_and_never_said() -> None:
    ran: list[str] = []

    @tool
    async def pay(card: PhoneCard) -> str:
        """Pay by card."""
        ran.append(card.reveal())
        return card.reveal()

    box = Toolbox([pay])
    good, bad = box.vault.keep("4111111111111111"), box.vault.keep("4111111111111112")
    assert "key it in again" in run(box.run("pay", json.dumps({"card": bad}))).error
    done = run(box.run("pay", json.dumps({"card": good})))
    assert ran == ["4111111111111111"]
    assert result_text(done) == f'"{good}"'
    assert "4111111111" not in repr(done)
    assert collecting([pay]) == [], "nobody dictates a card"


def test_the_model_is_told_how_to_write_each_field() -> None:
    @tool
    async def book(when: PhoneDate, home: PhoneAddress, mail: PhoneEmail) -> str:
        """Book."""
        return ""

    told = book.schema["function"]["parameters"]["properties"]
    assert (told["when"]["format"], told["mail"]["format"]) == ("date-time", "email")


@pytest.mark.parametrize(("answer", "expected"), [("yes", ["jo@example.com"]), ("no", [])])
def test_with_speech_to_speech(answer: str, expected: list[str]) -> None:
    ran: list[Any] = []

    async def plan(caller, session):
        await asyncio.sleep(2)
        await caller.say("jo at example dot com")
        session.call("sign_up", "c1", mail="jo at example dot com")
        await asyncio.sleep(0.1)
        session.say("J-O at example dot com, is that right?")
        await asyncio.sleep(4)
        await caller.say(answer)
        session.call("sign_up", "c2", mail="jo at example dot com")
        await asyncio.sleep(4)
        gone(caller.line)

    hold_realtime(plan, tools=[signing_up(ran)])
    assert ran == expected


TWO = {"name": "Jane Ray", "number": "212 736 5000"}
ALL = "Jane Ray, R-A-Y, (212) 736-5000, right?"


class Spoken:
    """A tool that a model calls again after what the agent and the caller have said."""

    def __init__(self, used: Tool, *verdicts: bool) -> None:
        """`verdicts` are what the judge says; without any there is none."""
        self.judged = 0
        self._name, self._history, self._verdicts = used.name, History(""), list(verdicts)
        self._box = Toolbox([used])
        self._box.consent = Consent(self._history, self._judge if verdicts else None)
        self._box.collector.setting = FormSetting(country="US")

    async def _judge(self, action: str, before: str, answer: str) -> bool:
        self.judged += 1
        return self._verdicts.pop(0)

    def call(self, given: dict[str, Any], *lines: str) -> Any:
        """Call it after `lines`, of which the agent says the first, the caller the second, and so on."""
        entries = self._history._entries
        for at, line in enumerate(lines):
            entries.append(UserTurn(line) if at % 2 else AssistantTurn([Sentence(1, line, complete=True)]))
        answer = run(self._box.run(self._name, json.dumps(given)))
        return answer.result or answer.error


def taking_down(ran: list[Any]) -> Tool:
    @tool(side_effect=True)
    async def take_down(name: PhoneName, number: PhoneNumber) -> str:
        """Take a message."""
        ran.append((name, number))
        return "done"

    return take_down


@pytest.mark.parametrize(("answer", "runs"), [("yes", 1), ("no", 0)])
def test_two_fields_may_have_the_same_value(answer: str, runs: int) -> None:
    ran: list[Any] = []

    @tool(side_effect=True)
    async def ship(billing: PhoneEmail, shipping: PhoneEmail) -> str:
        """Ship it."""
        ran.append(billing)
        return "done"

    spoken, both = Spoken(ship), {"billing": "jo@example.com", "shipping": "jo@example.com"}
    spoken.call(both, "Where to?", "jo at example dot com, for both")
    spoken.call(both, "J-O at example dot com for both, right?", answer)
    assert len(ran) == runs


def test_two_fields_of_one_kind_do_not_change_places_unasked() -> None:
    ran: list[Any] = []

    @tool(side_effect=True)
    async def pay(deposit: PhoneAmount, total: PhoneAmount) -> str:
        """Pay."""
        ran.append((str(deposit), str(total)))
        return "done"

    spoken, right, swapped = Spoken(pay), {"deposit": 50, "total": 80}, {"deposit": 80, "total": 50}
    assert spoken.call(right)["say_back"] == {"deposit": "50"}
    assert spoken.call(right, "A deposit of 50?", "yes")["say_back"] == {"total": "80"}
    assert "say_back" in spoken.call(swapped, "And 80 in all?", "yes")
    assert "say_back" in spoken.call(right), "nobody agreed to the total"
    assert spoken.call(right, "So 80 in all?", "yes") == "done"
    assert ran == [("50.00", "80.00")]


def test_without_a_judge_a_yes_to_one_of_two_values_confirms_neither() -> None:
    ran: list[Any] = []
    spoken = Spoken(taking_down(ran))
    spoken.call(TWO)
    assert "say_back" in spoken.call(TWO, "Your number is (212) 736-5000, right?", "yes")
    assert ran == []
    spoken.call(TWO, ALL, "yes")
    assert len(ran) == 1


def test_the_callers_own_words_are_not_said_back() -> None:
    ran: list[Any] = []
    spoken, changed = Spoken(taking_down(ran), False, False), TWO | {"number": "212 736 5001"}
    spoken.call(TWO)
    spoken.call(TWO, "Sorry?", "212 736 5000, and I am Jane Ray", "Shall I mark it as urgent?", "yes")
    assert (ran, spoken.judged) == ([], 1)
    told = spoken.call(changed, "And what is it?", "I am Jane Ray", "And the number?", "212 736 5001")
    assert list(told["say_back"]) == ["name", "number"]


def test_a_no_to_something_else_refuses_nothing() -> None:
    ran: list[Any] = []
    spoken = Spoken(taking_down(ran), False)
    spoken.call(TWO)
    assert "say_back" in spoken.call(TWO, ALL, "yes", "Anything else?", "no")
    assert "said no" in spoken.call(TWO, ALL, "no")["status"]
    assert ran == []


def test_collecting_nothing_confirms_nothing() -> None:
    (collect,) = collecting([taking_down([])])
    assert "nothing was given" in Spoken(collect).call({})


@pytest.mark.parametrize(
    "arguments",
    ['{"amount": NaN}', '{"when": "0001-01-01T00:00:00+14:00"}', '{"when": "9999-12-31T23:59:59-14:00"}'],
)
def test_what_is_out_of_range_is_an_error_in_words(arguments: str) -> None:
    @tool
    async def book(when: PhoneDate | None = None, amount: PhoneAmount | None = None) -> str:
        """Book a table."""
        return "booked"

    assert "out of range" in run(Toolbox([book]).run("book", arguments)).error


class Booking(BaseModel):
    mail: PhoneEmail


@dataclass
class Guest:
    name: PhoneName


@pytest.mark.parametrize(
    "hint",
    [
        *(Booking, Booking | None, list[Booking], Guest, dict[str, Guest]),
        *(list[PhoneEmail], list[PhoneEmail] | None, PhoneEmail | PhoneNumber, PhoneEmail | str),
    ],
)
def test_a_field_that_nobody_would_confirm_is_refused_when_the_tools_are_read(hint: Any) -> None:
    def book(guest: Any) -> str:
        """Book a table."""
        return ""

    book.__annotations__["guest"] = hint
    with pytest.raises(ToolFileError, match="parameter guest: a field of a form is a parameter of its own"):
        tool(side_effect=True)(book)


@pytest.mark.parametrize(
    "hint",
    [PhoneAddress, PhoneCard | None, Annotated[PhoneDate | None, "When."], Annotated[PhoneEmail, AfterValidator(str)]],
)
def test_a_field_by_itself_or_none_asks_the_caller(hint: Any) -> None:
    def book(one: Any, other: Any, guests: int = 1) -> str:
        """Book a table."""
        return ""

    book.__annotations__ |= {"one": hint, "other": hint}
    assert tool(side_effect=True)(book).asks
