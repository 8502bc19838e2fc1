"""Dialogues of `tests/data/forms` on virtual time: a caller by script, and a model that hands on what it has heard."""

import asyncio
import json
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, NamedTuple

from agent.collect import PhoneAddress, PhoneAmount, PhoneDate, PhoneEmail, PhoneName, PhoneNumber
from agent.consent import REPORT
from agent.forms.fields import Address, FormField, FormSetting
from agent.forms.spoken import plain_words
from agent.providers.local.brain.days import clock_of, day_of
from agent.tools import Tool, collecting, tool
from tests.agent.holding import Setting, hold, spoken_seconds
from tests.fakes.line import calls, says

FILES = sorted((Path(__file__).parents[2] / "data" / "forms").glob("*.toml"))
NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
FORM = FormSetting(("en",), "US", lambda: NOW, UTC)
YES = "Yes, that's right."
MOST = 6
"""What a caller says about one field before they give up."""
HINTS: dict[str, Any] = {
    "email": PhoneEmail, "phone": PhoneNumber, "name": PhoneName, "date": PhoneDate, "amount": PhoneAmount,
    "address": PhoneAddress,
}  # fmt: skip
_BEFORE = re.compile(
    r"^(?:(?:no|yes|well|um|sorry)[,. ]+)*(?:(?:my name is|the name is|it's|it is|this is|i am|i'm)\s+)?", re.IGNORECASE
)
_WHERE = re.compile(r"(?:(?P<number>\d+)\s+)?(?P<street>[^,]+?)[,.]?\s+in\s+(?P<city>.+?)[.,]?$", re.IGNORECASE)
_PART = re.compile(r"(?P<part>street|city) is\s+(?:(?P<number>\d+)\s+)?(?P<words>.+?)[.,]?$", re.IGNORECASE)


class Heard(NamedTuple):
    """What became of a dialogue."""

    right: bool
    """Whether the tool ran with what the caller meant."""
    wrong: bool
    """Whether it ran with something else."""
    misheard: tuple[str, ...]
    """What the recogniser wrote in other words, as "said: heard"."""


def truth(one: dict[str, Any]) -> Any:
    """What the caller means by a field, as the tool is to get it."""
    kind, means = one["kind"], one["means"]
    if kind == "address":
        return Address.model_validate(means)
    return field_of(kind).read(means, FORM)


def field_of(kind: str) -> FormField:
    """The field of that kind."""
    (found,) = (one for one in HINTS[kind].__metadata__ if isinstance(one, FormField))
    return found


@dataclass
class Scribe:
    """A model that hands on the caller's words for each field in turn, says back what it is told to, and goes on."""

    fields: list[dict[str, Any]]
    ran: list[dict[str, Any]] = field(default_factory=list)
    spoke: str = ""
    """What it said last, until the caller has heard it."""
    told: dict[str, Any] = field(default_factory=dict)
    """What it was told to say back."""
    _given: dict[str, Any] = field(default_factory=dict)

    def tool(self) -> Tool:
        """The tool that gets all fields."""

        async def take(**given: Any) -> str:
            self.ran.append(given)
            return "taken"

        hints = {one["name"]: HINTS[one["kind"]] for one in self.fields}
        take.__name__, take.__doc__, take.__annotations__ = "take", "Take down a form.", hints
        take.__signature__ = _signature(hints)  # type: ignore[attr-defined]
        return tool(take)

    @property
    def open(self) -> dict[str, Any] | None:
        """The field that is asked for."""
        return next((one for one in self.fields if not one.get("done")), None)

    def __call__(self, messages):
        last = messages[-1]
        if "You judge" in messages[0]["content"]:
            return [calls(REPORT, verdict="unclear")]
        now = self.open
        if last["role"] == "user":
            if now is None:
                return self._say("Goodbye.")
            self._write_down(now, last["content"])
            return [calls("collect", **{now["name"]: self._given[now["name"]]})]
        told = json.loads(last["content"])
        if told == "taken":
            return self._say("Thank you.")
        if "say_back" in told:
            self.told = told["say_back"]
            return self._say(f"So {', '.join(self.told.values())}. Is that right?")
        self.told = {}
        if "keep it" in str(told) and now is not None:
            now["done"] = True
            if self.open is None:
                return [calls("take", **self._given)]
            return self._say(f"And what is your {self.open['kind']}?")
        return self._say("Could you tell me that again, please?")

    def _say(self, text: str):
        self.spoke = text
        return [0.2, *says(text)]

    def _write_down(self, one: dict[str, Any], text: str) -> None:
        """Take the words for the value of a field; of a yes nothing is taken, as of words that have none of it."""
        if one["name"] in self._given and re.match(r"yes\b", text, re.IGNORECASE):
            return
        before = self._given.get(one["name"])
        match one["kind"]:
            case "name":
                value: Any = _BEFORE.sub("", text).rstrip(".")
            case "date":
                day, clock = day_of(text.lower(), NOW.date()), clock_of(text.lower())
                parts = [day.isoformat() if day else "", (clock or time()).isoformat() if clock else ""]
                value = "T".join(part for part in parts if part) or before or text
            case "address":
                value = _address(text, before)
            case _:
                value = text
        self._given[one["name"]] = value


def _address(text: str, before: Any) -> Any:
    text = _BEFORE.sub("", text)
    if isinstance(before, dict) and (found := _PART.search(text)):
        changed = {found["part"].lower(): found["words"]} | ({"number": found["number"]} if found["number"] else {})
        return before | changed
    found = _WHERE.match(text)
    return {name: part for name, part in found.groupdict().items() if part} if found else {"street": text, "city": ""}


def _signature(names: Iterable[str]) -> Signature:
    return Signature([Parameter(name, Parameter.KEYWORD_ONLY) for name in names])


def hold_dialogue(path: Path, hear: Callable[[str, Any], str] = lambda said, kind: said) -> Heard:
    """Hold the dialogue of a file. `hear` is what the recogniser makes of words that answer such a question."""
    model = Scribe(tomllib.loads(path.read_text("utf-8"))["fields"])
    misheard: list[str] = []

    async def plan(caller, line, stt) -> None:
        async def say(words: str, one: dict[str, Any]) -> None:
            heard = hear(words, None if words == YES else field_of(one["kind"]).expected.kind)
            if _same(words) != _same(heard):
                misheard.append(f"{words}: {heard}")
            model.spoke = ""
            await caller.say(heard or "(noise)")
            await listen()

        async def listen() -> None:
            for _ in range(200):
                await asyncio.sleep(0.1)
                if model.spoke:
                    break
            await asyncio.sleep(spoken_seconds(model.spoke) + 0.6)

        await asyncio.sleep(3)
        for one in model.fields:
            await _tell(one, model, say)
        caller.hang_up()

    tools = [model.tool()]
    hold(plan, Setting(script=model, tools=[*tools, *collecting(tools)], form=FORM))
    meant = {one["name"]: truth(one) for one in model.fields}
    right = len(model.ran) == 1 and all(_plain(model.ran[0][name]) == _plain(value) for name, value in meant.items())
    return Heard(right, bool(model.ran) and not right, tuple(misheard))


async def _tell(one: dict[str, Any], model: Scribe, say: Callable[..., Any]) -> None:
    """Tell one field until it is taken, or until it is too much."""
    kind, sentences = field_of(one["kind"]), list(one["says"])
    parts = {f"{one['name']} {name}".strip(): said for name, said in kind.parts(truth(one), FORM).items()}
    await say(sentences.pop(0) if len(sentences) > 1 else sentences[0], one)
    for _ in range(MOST):
        if one.get("done"):
            return
        wrong = [name for name in model.told if not kind.stands(parts.get(name, "?"), model.spoke, FORM)]
        if model.told and not wrong:
            await say(YES, one)
        elif wrong and "corrects" in one:
            await say(one["corrects"][wrong[0].rpartition(" ")[2]], one)
        else:
            await say(sentences.pop(0) if len(sentences) > 1 else sentences[0], one)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str).casefold())


def _same(text: str) -> str:
    """Words that mean the same are the same: figures, signs and capitals may be written in any way."""
    return "".join(plain_words(re.sub(r"\be-mail\b", "email", text.lower()), ("en",), signs=True))
