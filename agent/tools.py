"""Tools: typed Python functions that the model may call.

The type hints become the JSON schema, the docstring the description. What the model writes is validated against them;
what goes wrong becomes a result that the model can explain to the caller.
"""

import asyncio
import hashlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, overload

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import to_jsonable_python

from agent.bounds import BoundedTable
from agent.collect import COLLECT, HIDDEN, Collector, collected, expectations, hides_field, one_by_one
from agent.consent import Consent
from agent.history import History
from agent.llm import ToolSchema
from agent.pool import NotBegun, Pool, not_begun
from agent.records import ToolRun
from agent.secrets import Secret, Vault
from agent.turn_taking.expect import Expected

log = structlog.get_logger()

TOOLS = Pool("tools", workers=16, waiting=32)
"""Threads for tools that are plain functions."""
RESULT_LIMIT = 8000
"""Characters of a result that the model sees."""
ARGUMENTS_LIMIT = 16_000
"""Most characters of the arguments that are read."""
KEY = "idempotency_key"
"""Name of the parameter by which a tool distinguishes tries of one order from two orders."""
CACHED = 1000
"""Most results of one tool that are kept; the oldest are dropped first."""
NOT_BEGUN = "it was not begun, so nothing has been done; say that it has not worked yet, and offer to try again"
UNKNOWN = "it is not known whether it was done; do not try again"
CONFIRM = (
    "Not done yet: the caller has not said yes to it. Read exactly these arguments back to them in one sentence, "
    "and ask for a yes or a no. When they have said yes, call the tool again with the same arguments."
)
COLLECTS = (
    "Call this as soon as the caller has told one of these, with their own words if you are not sure what they mean, "
    "while more is needed for another tool: it is checked, and the caller confirms it."
)


class ToolError(Exception):
    """Raised by a tool to tell the model what went wrong, in words that may be repeated to the caller.

    A tool with a side effect raises it only if nothing was done.
    """


class UnknownOutcome(ToolError):  # noqa: N818  what is known of it, not a fault of its own
    """Raised by a tool that does not know whether its work was done."""


class ToolFileError(Exception):
    """A file of tools cannot be used; the message is one line that names file and cause."""


@dataclass(frozen=True)
class Tool:
    """One function that the model may call."""

    name: str
    description: str
    function: Callable[..., Any]
    arguments: type[BaseModel]
    timeout: float = 8.0
    """Seconds until the call is given up."""
    filler: str = ""
    """Words of the agent while the tool takes long; empty for the agent's own filler."""
    side_effect: bool = False
    """Whether the tool changes something. Then it is never run on a guess, nor broken off after it has begun. In one
    call the same arguments run it once, however often the model asks."""
    confirm: bool = False
    """Whether the caller must first agree to exactly these arguments: for an effect that cannot be undone."""
    repeatable: bool = False
    """Whether the same arguments may change something again in the same call."""
    cache: float = 0.0
    """Seconds for which a result is used again for the same arguments, in any call; 0 for never."""
    waits_for_caller: bool = False
    """Whether the tool waits for the caller; then no filler is said."""
    quiet: bool = False
    """Whether its result needs no words: a reply that has said something ends with the tool."""
    silent: bool = False
    """Whether nothing is said after the tool, not even for an empty reply of the model."""
    kept: BoundedTable[str, tuple[float, Any]] = field(
        default_factory=lambda: BoundedTable("results of tools", CACHED), compare=False, repr=False
    )
    """Cached results by arguments, and until when they hold."""

    @property
    def shared(self) -> bool:
        """Whether calls with the same arguments at the same time are one run."""
        return not (self.repeatable or self.waits_for_caller)

    @property
    def asks(self) -> bool:
        """Whether the caller has to agree before it runs."""
        return self.confirm or bool(collected(self.arguments))

    @property
    def schema(self) -> ToolSchema:
        """The description of the tool for the model."""
        function = {"name": self.name, "description": self.description, "parameters": _parameters(self.arguments)}
        return {"type": "function", "function": function}


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    timeout: float = 8.0,
    filler: str = "",
    side_effect: bool = False,
    confirm: bool = False,
    repeatable: bool = False,
    cache: float = 0.0,
    waits_for_caller: bool = False,
    quiet: bool = False,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    timeout: float = 8.0,
    filler: str = "",
    side_effect: bool = False,
    confirm: bool = False,
    repeatable: bool = False,
    cache: float = 0.0,
    waits_for_caller: bool = False,
    quiet: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a `Tool` of a function with type hints and a docstring; it may be async or plain.

    ``Annotated[int, "How many."]`` describes a parameter. The model does not see a parameter ``idempotency_key``: the
    gateway fills it in, with the same text for each try of one order. A parameter of type `agent.secrets.Secret` gets
    the digits that the caller has pressed; the model knows only a reference to them. Pydantic turns the returned value
    into JSON.
    Raises `ToolFileError` when the function cannot be used.
    """

    def make(function: Callable[..., Any]) -> Tool:
        if not (description := inspect.getdoc(function)):
            raise ToolFileError(f"tool {function.__name__}: give it a docstring, it tells the model what it does")
        arguments = _arguments_of(function)
        changes = side_effect or confirm
        if changes and cache:
            raise ToolFileError(f"tool {function.__name__}: it changes something, so it cannot be cached")
        if cache and any(_is_secret(one.annotation) for one in arguments.model_fields.values()):
            raise ToolFileError(f"tool {function.__name__}: it takes a secret, so it cannot be cached")
        return Tool(
            function.__name__, description, function, arguments, timeout, filler, changes, confirm, repeatable,
            cache, waits_for_caller, quiet,
        )  # fmt: skip

    return make if function is None else make(function)


def _is_secret(hint: Any) -> bool:
    return hint is Secret or any(map(_is_secret, get_args(hint)))


def _arguments_of(function: Callable[..., Any]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    try:
        hints = inspect.get_annotations(function, eval_str=True)
    except Exception as error:  # noqa: BLE001  whatever stands in the hints is evaluated
        raise ToolFileError(f"tool {function.__name__}: its type hints cannot be read: {error}") from None
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ToolFileError(f"tool {function.__name__}: parameter {name} must be an ordinary named parameter")
        if name == KEY:
            continue
        if name not in hints:
            raise ToolFileError(f"tool {function.__name__}: parameter {name} needs a type hint")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints[name], type(default), default)
    try:
        return _model(function.__name__, tuple(fields.items()))
    except TypeError:  # something that cannot be a key
        return _model.__wrapped__(function.__name__, tuple(fields.items()))


def collecting(tools: Sequence[Tool]) -> list[Tool]:
    """The tool `collect`, if `tools` have form fields: the caller confirms each value as soon as they have told it."""
    fields = one_by_one(tuple(one.arguments for one in tools))
    if fields is None:
        return []

    async def collect(**_: Any) -> dict[str, str]:
        return {"status": "the caller has confirmed it; keep it for the tool that needs it"}

    return [Tool(COLLECT, COLLECTS, collect, fields, repeatable=True)]


@lru_cache(256)
def _parameters(arguments: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of the arguments; callers must not change it."""
    schema = arguments.model_json_schema()
    for titled in (schema, *schema.get("properties", {}).values()):
        titled.pop("title", None)
    return schema


@lru_cache(256)
def _model(name: str, fields: tuple[tuple[str, Any], ...]) -> type[BaseModel]:
    """A model of arguments, made once for all calls: the tools of every call have the same few models."""
    described: dict[str, Any] = {}
    for field_name, (hint, _, default) in fields:
        text = _description_of(hint)
        described[field_name] = (hint, Field(default, description=text) if text else default)
    for one, given in described.items():
        try:
            alone: type[BaseModel] = create_model(name, **{one: given})
            alone.model_json_schema()
        except Exception as error:  # pydantic tells of its own workings, in several lines
            why = f"{given[0]!r} is no type that a model can write as JSON"
            raise ToolFileError(f"tool {name}: parameter {one}: {why}") from error
        if hides_field(alone):
            raise ToolFileError(f"tool {name}: parameter {one}: {HIDDEN}")
    return create_model(name, __config__=ConfigDict(extra="forbid"), **described)


def _description_of(hint: Any) -> str:
    """The text in an ``Annotated`` hint; pydantic itself reads the text of a `pydantic.Field`."""
    parts = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((part for part in parts if isinstance(part, str)), "")


class Toolbox:
    """The tools of one call."""

    def __init__(self, tools: Iterable[Tool], call: str = "") -> None:
        self._call = call
        """Name of the call, which no other call has; it is a part of every idempotency key."""
        self._done: dict[str, asyncio.Future[ToolRun]] = {}
        self.consent = Consent(History(""))
        """Consents of the caller; there are none without a history."""
        self.vault = Vault()
        self.collector = Collector()
        self.offer(tools)

    @property
    def expected(self) -> tuple[Expected, ...]:
        """Expected answers for the parameters of the tools, where they say so."""
        return expectations((one.arguments for one in self._tools.values()), self.collector.setting)

    def offer(self, tools: Iterable[Tool]) -> None:
        """Let the model call these tools from now on, and no others; results of earlier runs stay."""
        self._tools = {one.name: one for one in tools}
        self.schemas = [one.schema for one in self._tools.values()]

    def get(self, name: str) -> Tool | None:
        """The tool with that name; None if there is none."""
        return self._tools.get(name)

    async def run(self, name: str, arguments: str) -> ToolRun:
        """Run a tool with the JSON that the model wrote. It raises nothing except for a cancellation."""
        began = asyncio.get_running_loop().time()
        try:
            done = await self._run(name, arguments)
        except Exception as error:  # of a validator or type of the owner's: nothing has been done
            log.exception("arguments of a tool not read", tool=name)
            done = ToolRun(name, arguments[:200], error=f"wrong arguments ({type(error).__name__}); ask the caller")
        done.result, done.error = self.vault.scrub(done.result), self.vault.scrub(done.error)
        done.seconds = asyncio.get_running_loop().time() - began
        return done

    async def _run(self, name: str, arguments: str) -> ToolRun:
        found = self._tools.get(name)
        if found is None:
            return ToolRun(name, arguments[:200], error=f"there is no tool {name[:60]!r}")
        try:
            context = {"form": self.collector.setting}
            values = found.arguments.model_validate_json((arguments or "{}")[:ARGUMENTS_LIMIT], context=context)
        except ValidationError as error:
            told = [f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in error.errors()]
            self.collector.wrong(found.arguments, str(next(iter(error.errors()[0]["loc"]), "")))
            problem = f"wrong arguments: {'; '.join(told)[:500]}; correct them, or ask the caller"
            return ToolRun(name, arguments[:200], error=problem)
        dumped = values.model_dump(mode="json")
        key = hashlib.sha256(json.dumps([self._call, name, dumped], sort_keys=True).encode()).hexdigest()[:32]
        try:
            given = {one: self.vault.resolve(getattr(values, one)) for one in type(values).model_fields}
        except KeyError:
            return ToolRun(name, dumped, error="nothing has been keyed in under that reference; use collect_digits")
        try:
            missing = await self.collector.missing(values, given, self.consent)
        except ValueError as error:
            return ToolRun(name, dumped, error=str(error))
        if missing is not None:
            return ToolRun(name, dumped, result={"status": CONFIRM} | missing)
        question = None
        if found.confirm and key not in self._done:
            question = await self.consent.given(key, name, dumped)
            # The caller may have agreed to an equal call while this answer was judged: both are the same run.
            if question is None and key not in self._done:
                self.consent.ask(key)
                return ToolRun(name, dumped, result={"status": CONFIRM})
        if KEY in inspect.signature(found.function).parameters:
            given[KEY] = key
        run = await (self._once(found, key, given, dumped) if found.shared else _carry_out(found, given, dumped))
        if question is not None and run.error == NOT_BEGUN:
            self.consent.give_back(key, question)
        return run

    async def _once(self, found: Tool, key: str, given: dict[str, Any], dumped: Any) -> ToolRun:
        """A new run for this call, the run under way, or the earlier run of an order that may have been done."""
        earlier = self._done.get(key)
        if earlier is not None:
            return replace(await asyncio.shield(earlier))
        self._done[key] = asyncio.get_running_loop().create_future()
        try:
            run = await (_cached if found.cache else _carry_out)(found, given, dumped)
        except BaseException:
            self._done.pop(key).set_result(ToolRun(found.name, dumped, error="it was broken off"))
            raise
        self._done[key].set_result(run)
        if not found.side_effect or (run.error and not run.error.endswith(UNKNOWN)):
            del self._done[key]  # it may be run again, an order with the same key
        return run


async def _cached(found: Tool, given: dict[str, Any], dumped: Any) -> ToolRun:
    key, now = json.dumps(dumped, sort_keys=True), asyncio.get_running_loop().time()
    until, result = found.kept.get(key, (0.0, None))
    if now < until:
        return ToolRun(found.name, dumped, result)
    run = await _carry_out(found, given, dumped)
    if not run.error:
        found.kept.pop(key, None)
        found.kept[key] = (now + found.cache, run.result)
    return run


async def _carry_out(found: Tool, given: dict[str, Any], dumped: Any) -> ToolRun:
    done = ToolRun(found.name, dumped)
    known = not found.side_effect or KEY in given  # a tool that gets the key of the order does it once
    try:
        async with asyncio.timeout(found.timeout):
            if inspect.iscoroutinefunction(found.function):
                returned = await found.function(**given)
            else:
                returned = await TOOLS.run(found.function, **given)
        done.result = to_jsonable_python(returned)
    except TimeoutError as error:
        done.error = f"no answer within {found.timeout:g} s"
        if not_begun(error):
            done.error, known = NOT_BEGUN, True
    except ToolError as error:
        done.error = str(error)
        known = known or not isinstance(error, UnknownOutcome)
    except NotBegun as error:
        log.warning("tool not begun", tool=found.name, cause=str(error))
        done.error, known = NOT_BEGUN, True
    except (Exception, SystemExit) as error:  # the tool boundary: the model is told, details go to the log
        log.exception("tool failed", tool=found.name)
        done.error = f"it failed ({type(error).__name__})"
    if done.error and not known:
        done.error = f"{done.error}; {UNKNOWN}"
    return done


def result_text(run: ToolRun, note: str = "") -> str:
    """The text of a run for the model, as bounded JSON, with a `note`."""
    value = {"error": run.error} if run.error else run.result
    value = {"note": note, "result": value} if note else value
    return json.dumps(value, ensure_ascii=False)[:RESULT_LIMIT]


def load_tools(path: Path) -> list[Tool]:
    """All tools of a Python file. Raises `ToolFileError`."""
    spec = importlib.util.spec_from_file_location(f"sipgw_tools_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ToolFileError(f"{path}: there is no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and forward references in it look there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's file: whatever it raises is told as one line
        raise ToolFileError(f"{path}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    found = [value for value in vars(module).values() if isinstance(value, Tool)]
    if not found:
        raise ToolFileError(f"{path}: no function is marked with @tool")
    return found
