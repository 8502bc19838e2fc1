"""Describes the tools of an agent's owner by their JSON schemas: which form of words fits each parameter. Sans-IO."""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import islice
from typing import Any, NamedTuple

from agent.llm import ToolSchema

MOST_PARAMETERS = 12
"""Maximum parameters of one tool that the brain asks for."""
MOST_FIELDS = 40
"""Maximum fields of one tool, and of one object, that are read."""
MOST_CHOICES = 30
DEEPEST = 3
"""Maximum depth of nested objects whose fields are read."""


class Form(Enum):
    """The spoken form of a parameter's value."""

    CHOICE = "one of a few"
    YES_NO = "yes or no"
    NUMBER = "a number"
    DIGITS = "a row of digits"
    CODE = "a row of letters and digits"
    EMAIL = "an address of e-mail"
    DATE = "a date, as ISO 8601 writes it"
    CLOCK = "a time of day, as ISO 8601 writes it"
    MOMENT = "date and time, as ISO 8601 writes them"
    WHEN = "day or time in the caller's words"
    NAME = "a person's name"
    PLACE = "a place"
    SENTENCE = "a whole sentence"
    THING = "any words"


class Parameter(NamedTuple):
    """One parameter of a tool, or one field of an object that is a parameter."""

    name: str
    """Name of the parameter. The name of a field follows the names of its objects: ``address_street``."""
    form: Form
    description: str
    required: bool
    schema: Mapping[str, Any]
    choices: tuple[str, ...] = ()
    length: int | None = None
    """Number of digits; None if it is not known."""
    path: tuple[str, ...] = ()
    """The names of the objects that contain the field, from the outermost on, then the field's own name."""

    @property
    def words(self) -> frozenset[str]:
        """The words in name and description of the parameter."""
        return words_in(f"{self.name} {self.description}")

    @property
    def whole(self) -> bool:
        """Whether the parameter's number must be whole."""
        return self.schema.get("type") == "integer"

    @property
    def question(self) -> str:
        """The question to the caller for this parameter, made of its description: "Please tell me how many people."."""
        told = re.split(r"(?<=[^.])[.;:(?\n]", self.description.strip())[0].strip()[:100]
        told = _lowered(told) or self.name.replace("_", " ").strip() or "value"
        if self.form is Form.YES_NO:
            return f"Please say yes or no: {told.removeprefix('whether ')}."
        if self.form is Form.NUMBER and not self.description and told.endswith("s"):
            return f"Please tell me how many {told}."
        listed_too = 1 < len(self.choices) <= 6 and not any(one.lower() in told.lower() for one in self.choices)
        article = "" if _BEGUN.match(told) else "the "
        return f"Please tell me {article}{told}{f': {listed(self.choices)}' if listed_too else ''}."


class OwnTool(NamedTuple):
    """A tool of the agent's owner, which is no part of the brain's script."""

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    unspoken: str = ""
    """A required parameter that a caller cannot say, such as a list. A tool with such a parameter is known, but never
    called."""

    @property
    def summary(self) -> str:
        """The first sentence of the description, without its full stop."""
        return re.split(r"(?<=\w)[.!?](?:\s|$)|\n", self.description.strip())[0].strip(" .")[:120]

    @property
    def ability(self) -> str:
        """The ability of the tool, as the words after "I can"."""
        words = self.summary.split()
        if not words or not re.fullmatch(r"[A-Za-z][a-z-]+", words[0]):
            return f"help you with {self.name.replace('_', ' ')}"
        verb = words[0].lower()
        if verb.endswith("s") and not verb.endswith(("ss", "us")):  # "Finds a book"
            verb = re.sub(r"(?<=[sxh])e$", "", verb[:-1])
        if verb in _TOLD and len(words) > 1:
            return " ".join(["tell you", *words[1:]])
        if verb in ("the", "a", "an", "this", "it", "information", "all"):
            return f"help you with {self.name.replace('_', ' ')}"
        return " ".join([verb, *words[1:]])

    @property
    def words(self) -> frozenset[str]:
        """Words about the tool's subject. They stand beside a name in a caller's words, and are no part of it."""
        about = f"{self.name} {self.summary} " + " ".join(f"{one.name} {one.description}" for one in self.parameters)
        return words_in(about)

    def at(self, path: str) -> Parameter | None:
        """The parameter at `path` of the arguments: ``address.street``."""
        return next((one for one in self.parameters if ".".join(one.path) == path), None)

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a tool call, made from the values of parameters by name."""
        whole: dict[str, Any] = {}
        for one in self.parameters:
            inner = whole
            for key in one.path[:-1]:
                inner = inner.setdefault(key, {})
            if one.name in given:
                inner[one.path[-1]] = given[one.name]
        return whole

    def given(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The values of parameters by name, taken from the arguments of a tool call."""
        found: dict[str, Any] = {}
        for one in self.parameters:
            value: Any = arguments
            for key in one.path:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                found[one.name] = value
        return found


_BEGUN = re.compile(
    r"(?:the|an?|your|his|her|their|its|how|what|which|whom?|when|where|why|whether|for|in|at|on)\b", re.IGNORECASE
)
"""Beginnings of descriptions that need no article."""
_TOLD = frozenset({"get", "return", "fetch", "retrieve", "tell", "give", "obtain"})
_HINTS = (
    (Form.EMAIL, frozenset({"email", "mail"})),
    (Form.CODE, frozenset({"plate", "iban", "vin"})),
    (Form.DIGITS, frozenset({"number", "code", "digits", "zip", "postcode", "phone", "telephone", "pin", "id"})),
    (Form.WHEN, frozenset({"time", "day", "date", "when", "weekday", "hour", "birthday", "birthdate"})),
    (Form.PLACE, frozenset({
        "city", "town", "country", "street", "address", "district", "station", "location", "region", "airport", "place",
        "origin", "pickup", "destination",
    })),
    (Form.SENTENCE, frozenset({
        "message", "note", "reason", "fault", "problem", "complaint", "comment", "feedback", "question", "issue",
        "happened", "details", "symptoms",
    })),
    (Form.NAME, frozenset({
        "name", "person", "customer", "guest", "surname", "colleague", "employee", "recipient", "whom", "caller",
        "patient", "client", "member", "passenger", "student", "tenant",
    })),
)  # fmt: skip
_NO_NAME = re.compile(
    r"(?<!first )(?<!last )(?<!full )\b(?:name|title) of (?:the|an?) (?!(?:reservation|booking|person|caller|customer"
    r"|guest|patient|client|member|passenger|student|tenant|owner|driver|child|pet|animal)\b)"
)


def words_in(text: str) -> frozenset[str]:
    """The words of `text` in lower case."""
    return frozenset(re.findall(r"[a-z]+", text.lower().replace("e-mail", "email")))


def listed(items: tuple[str, ...] | list[str], last: str = "or") -> str:
    """Items for the ear: "a, b or c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def own_tool(schema: ToolSchema) -> OwnTool | None:
    """The tool that `schema` describes; None if the schema is malformed."""
    function = schema.get("function") if isinstance(schema, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        return None
    parameters = function.get("parameters")
    parameters = parameters if isinstance(parameters, Mapping) else {}
    known = parameters.get("$defs")
    found: dict[str, Parameter] = {}
    unspoken = ""
    for one in islice(_fields(parameters, known if isinstance(known, Mapping) else {}, ()), MOST_FIELDS):
        if isinstance(one, Parameter) and one.name not in found and len(found) < MOST_PARAMETERS:
            found[one.name] = one
        elif isinstance(one, str) or one.required:
            unspoken = unspoken or (one if isinstance(one, str) else one.name.replace("_", " "))
    return OwnTool(function["name"], str(function.get("description") or ""), tuple(found.values()), unspoken)


def _fields(schema: Mapping[str, Any], known: Mapping[str, Any], inside: tuple[str, ...]) -> Iterator[Parameter | str]:
    """The parameters of an object, and of the objects that it requires. A required field that a caller cannot say is
    given by its spoken name.
    """
    properties, required = schema.get("properties"), schema.get("required")
    required = required if isinstance(required, list) else []
    for key, described in list(properties.items())[:MOST_FIELDS] if isinstance(properties, Mapping) else []:
        path = (*inside, str(key))
        one = _parameter(path, described, known, required=key in required)
        if one is not None:
            yield one
        elif key in required:
            plain = _plain(described, known) if isinstance(described, Mapping) else {}
            fields = list(islice(_fields(plain, known, path), MOST_FIELDS)) if len(path) <= DEEPEST else []
            yield from fields or [" ".join(path).replace("_", " ")]


def _parameter(path: tuple[str, ...], schema: Any, known: Mapping[str, Any], *, required: bool) -> Parameter | None:
    if not isinstance(schema, Mapping):
        return None
    name = "_".join(path)
    description = str(schema.get("description") or "")
    schema = _plain(schema, known)
    description = description or str(schema.get("description") or "")
    kind, choices = schema.get("type"), _choices(schema)
    form = Form.CHOICE
    length = None
    if not choices:
        match kind:
            case "boolean":
                form = Form.YES_NO
            case "integer" | "number":
                form = Form.NUMBER
            case "string":
                form = _form(path[-1], description, schema)
                length = _digits(schema)
            case _:
                return None
    return Parameter(name, form, description, required, schema, choices, length, path)


def _plain(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """`schema` with its reference resolved, and with the first of several types that is not null."""
    for _ in range(3):
        for key in ("anyOf", "oneOf", "allOf"):
            branches = schema.get(key)
            if isinstance(branches, list):
                plain = [one for one in branches if isinstance(one, Mapping) and one.get("type") != "null"]
                schema = plain[0] if plain else {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            found = known.get(reference.rpartition("/")[2])
            schema = found if isinstance(found, Mapping) else {}
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return {**schema, "type": next((one for one in kinds if one != "null"), "string")}
    return schema


def _choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    members = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if not isinstance(members, list) or not all(isinstance(one, str) for one in members):
        return ()
    return tuple(members[:MOST_CHOICES])


def _form(name: str, description: str, schema: Mapping[str, Any]) -> Form:
    written = {"email": Form.EMAIL, "date": Form.DATE, "time": Form.CLOCK, "date-time": Form.MOMENT}
    if schema.get("format") in written:
        return written[str(schema["format"])]
    if _digits(schema):
        return Form.DIGITS
    own, told = words_in(name.replace("_", " ")), words_in(description)
    for words in (own, told):  # the name decides before the description
        for form, hints in _HINTS:
            if words & hints:
                if form is Form.NAME and words is told and _NO_NAME.search(description.lower()):
                    return Form.THING
                if form is Form.DIGITS and words is told and not re.search(r"\b(?:number|code)\b", description.lower()):
                    continue
                return form
        if words is own and own & {"title", "film", "book", "item", "product", "text", "query", "medicine", "dish"}:
            return Form.THING
    return Form.THING


def _digits(schema: Mapping[str, Any]) -> int | None:
    found = re.fullmatch(r"\^?(?:\[0-9\]|\\d)\{(\d{1,2})\}\$?", str(schema.get("pattern") or ""))
    return int(found.group(1)) if found else None


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
