"""Forms during a conversation: types for the parameters of tools, whose values the caller has to confirm.

``def book(when: PhoneDate, mail: PhoneEmail)``: the model writes down what it has heard. If a value is not valid,
nothing runs, and the model is told what to ask. Valid values are said back to the caller, and the tool runs after the
caller has agreed. A corrected part is said back alone. `Collector` does this for all tools, in cascades and in speech
to speech.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from agent.consent import Consent, ConsentQuestion
from agent.forms.fields import FORM, Address, Amount, Card, Email, FormField, FormSetting, Moment, Name, Phone, Postal
from agent.forms.form import FieldEvent, FieldState, FormValues, ValueToConfirm
from agent.secrets import Secret
from agent.turn_taking.expect import OPEN, Expected, Kind

PhoneEmail = Annotated[str, Email()]
"""An address of e-mail in lower case."""
PhoneName = Annotated[str, Name()]
"""A person's name."""
PhoneNumber = Annotated[str, Phone()]
"""A telephone number in E.164."""
PhoneAmount = Annotated[Decimal, Amount()]
"""An amount of money, with two decimal places."""
PhoneDate = Annotated[datetime, Moment()]
"""A date and time in the future, with its time zone."""
PhoneAddress = Annotated[Address, Postal()]
"""A postal address."""
PhoneCard = Annotated[Secret, Card()]
"""A card's number, which only the tool reads: ``card.reveal()``."""

COLLECT = "collect"
SAY_BACK = "If the caller corrects a part, call it again with only that changed. Spell for them what is spelled here."
REFUSED = "Not done: the caller said no. Ask what is wrong with it, and call the tool again with that corrected."
WRITTEN = "take this down"
HIDDEN = (
    "a field of a form is a parameter of its own, which may be optional; within another type nobody would confirm it"
)
_AROUND = ("model-field", "default", "nullable", "function-before", "function-after", "function-wrap")
"""Schemas of pydantic that may stand around the schema of a field, as long as the field stays the only value."""


@lru_cache(256)
def collected(arguments: type[BaseModel]) -> Mapping[str, FormField]:
    """The parameters that are fields of a form, by name."""
    found = {name: _field_of(one.metadata) or _field_of(_nested(one)) for name, one in arguments.model_fields.items()}
    return {name: one for name, one in found.items() if one is not None}


def hides_field(arguments: type[BaseModel]) -> bool:
    """Whether a field of a form is inside another type, as in ``list[PhoneEmail]``: its value could
    not be said back."""
    schema: Any = arguments.__pydantic_core_schema__
    made = schema["schema"] if schema["type"] == "definitions" else schema
    own = map(_is_field, made["schema"]["fields"].values())
    return sum(_fields_in(schema)) > sum(own)


def _is_field(schema: Any) -> bool:
    """Whether a schema of pydantic is a field, or nothing but a field or None."""
    while schema["type"] in _AROUND and FORM not in schema.get("metadata", {}):
        schema = schema["schema"]
    return FORM in schema.get("metadata", {})


def _fields_in(schema: Any) -> Iterator[bool]:
    """A True for each field of a form in a schema of pydantic, at any depth."""
    if isinstance(schema, dict):
        if FORM in schema.get("metadata", ()):
            yield True
        schema = [value for key, value in schema.items() if key != "metadata"]
    if isinstance(schema, list | tuple):
        for one in schema:
            yield from _fields_in(one)


def _nested(one: FieldInfo) -> Iterable[Any]:
    """Annotations of the parts of a union."""
    return (meta for part in get_args(one.annotation) for meta in get_args(part))


def _field_of(metadata: Iterable[Any]) -> FormField | None:
    return next((one for one in metadata if isinstance(one, FormField)), None)


def expectations(tools: Iterable[type[BaseModel]], setting: FormSetting) -> tuple[Expected, ...]:
    """Expected answers for the parameters, from their hints, as in ``Annotated[str, Expected(Kind.DIGITS, 10)]``, or
    from their form fields."""
    found: list[Expected] = []
    for arguments in tools:
        found += (
            one for field in arguments.model_fields.values() for one in field.metadata if isinstance(one, Expected)
        )
        found += (one.expects(setting) for one in collected(arguments).values() if one.expected is not OPEN)
    return tuple(found)


@lru_cache(256)
def one_by_one(tools: tuple[type[BaseModel], ...]) -> type[BaseModel] | None:
    """All fields of a form that these arguments have, each optional; None if there are none."""
    fields: dict[str, Any] = {}
    for arguments in tools:
        for name in collected(arguments):
            one = arguments.model_fields[name]
            if not isinstance(collected(arguments)[name], Card):
                hint: Any = Annotated[one.annotation, *one.metadata] if one.metadata else one.annotation
                fields.setdefault(name, (hint | None, Field(None, description=one.description)))
    return create_model(COLLECT, **fields) if fields else None


class Collector:
    """The forms of one call: the arguments of its tools are checked and confirmed before a tool runs."""

    def __init__(self) -> None:
        self.setting = FormSetting()
        """The settings by which values are read."""
        self.expect: Callable[[Expected], None] = lambda expected: None
        """Called with the answer that the agent is about to ask for."""
        self._form = FormValues()
        self._question: ConsentQuestion | None = None
        self._one_at_a_time = asyncio.Lock()

    def wrong(self, arguments: type[BaseModel], parameter: str) -> None:
        """Note that the value of a parameter was not valid: the agent is going to ask for a new one."""
        if field := collected(arguments).get(parameter):
            self.expect(field.expects(self.setting))

    async def missing(self, values: BaseModel, given: Mapping[str, Any], consent: Consent) -> dict[str, Any] | None:
        """Instructions for the model before a tool may run with `values`; None when the caller has confirmed them.

        `given` are the values as the tool gets them. Raises `ValueError` for one that is wrong.
        """
        setting = self.setting
        parts: list[ValueToConfirm] = []
        for name, field in collected(type(values)).items():
            if given[name] is not None:
                field.verify(given[name])
                said = field.parts(given[name], setting)
                parts += [ValueToConfirm(name, field.kind, part, text) for part, text in said.items()]
        if not parts and type(values).__name__ == COLLECT:
            raise ValueError("nothing was given; give what the caller has said")
        async with self._one_at_a_time:
            return await self._ask(parts, dict(collected(type(values))), consent) if parts else None

    async def _ask(
        self, parts: list[ValueToConfirm], fields: dict[str, FormField], consent: Consent
    ) -> dict[str, Any] | None:
        form = self._form
        form.take(FieldEvent.GIVEN, parts)
        if self._question is not None and (asked := form.asked(parts)):
            await self._judge(parts, asked, fields, self._question, consent)
        if any(form.state(one) is FieldState.REFUSED for one in parts):
            return {"status": REFUSED}
        left = form.ask(parts)
        if not left:
            self._question = None
            return None
        self._question = consent.question()
        self.expect(Expected(Kind.YES_NO))
        return {"say_back": {f"{one.field} {one.name}".strip(): one.said for one in left}, "hint": SAY_BACK}

    async def _judge(
        self,
        parts: list[ValueToConfirm],
        asked: tuple[ValueToConfirm, ...],
        fields: dict[str, FormField],
        question: ConsentQuestion,
        consent: Consent,
    ) -> None:
        """Take the caller's answer to the last question about values."""
        form, setting = self._form, self.setting

        def heard(said: str) -> bool:
            return all(fields[one.field].stands(one.said, said, setting) for one in asked)

        if form.is_corrected(parts):
            said = consent.said_since(question)
            form.take(FieldEvent.SPOKEN, [one for one in asked if fields[one.field].stands(one.said, said, setting)])
            return
        told = {f"{one.field} {one.name}".strip(): one.said for one in asked}
        verdict = await consent.answer(question, WRITTEN, told, heard)
        if verdict is not None:
            form.answered(parts, agreed=verdict)
