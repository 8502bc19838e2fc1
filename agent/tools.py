"""Tools: typed Python functions that the model may call.

The type hints become the JSON schema, the docstring the description. What the model writes is validated against them;
what goes wrong becomes a result that the model can explain to the caller.
"""

import asyncio
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, overload

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import to_jsonable_python

from agent.model import ToolSchema
from agent.records import ToolRun

log = structlog.get_logger()

RESULT_LIMIT = 8000
"""Characters of a result that the model sees."""
ARGUMENTS_LIMIT = 16_000
"""Characters of arguments that are looked at."""


class ToolError(Exception):
    """Raised by a tool to tell the model what went wrong, in words that may be repeated to the caller."""


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
    """What is said when it takes long; empty for the agent's own filler."""
    side_effect: bool = False
    """Whether it changes something: then it is never run on a guess, nor broken off once begun."""

    @property
    def schema(self) -> ToolSchema:
        """Its description for the model."""
        parameters = self.arguments.model_json_schema()
        parameters.pop("title", None)
        for value in parameters.get("properties", {}).values():
            value.pop("title", None)
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *, timeout: float = 8.0, filler: str = "", side_effect: bool = False
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    timeout: float = 8.0,
    filler: str = "",
    side_effect: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a `Tool` of a function with type hints and a docstring; it may be async or plain.

    A parameter is described by ``Annotated[int, "How many."]``. What is returned is turned into JSON as pydantic does.
    Raises `ToolFileError` when the function cannot be used.
    """

    def make(function: Callable[..., Any]) -> Tool:
        description = inspect.getdoc(function)
        if not description:
            raise ToolFileError(f"tool {function.__name__}: give it a docstring, it tells the model what it does")
        return Tool(function.__name__, description, function, _arguments_of(function), timeout, filler, side_effect)

    return make if function is None else make(function)


def _arguments_of(function: Callable[..., Any]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    hints = inspect.get_annotations(function, eval_str=True)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ToolFileError(f"tool {function.__name__}: parameter {name} must be a plain named one")
        if name not in hints:
            raise ToolFileError(f"tool {function.__name__}: parameter {name} needs a type hint")
        default = ... if parameter.default is parameter.empty else parameter.default
        text = _description_of(hints[name])
        fields[name] = (hints[name], Field(default, description=text) if text else default)
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def _description_of(hint: Any) -> str:
    """The text in an ``Annotated`` hint; one by `pydantic.Field` is understood by pydantic itself."""
    parts = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((part for part in parts if isinstance(part, str)), "")


class Toolbox:
    """The tools of one agent."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {one.name: one for one in tools}
        self.schemas = [one.schema for one in self._tools.values()]

    def get(self, name: str) -> Tool | None:
        """The tool of that name."""
        return self._tools.get(name)

    async def run(self, name: str, arguments: str) -> ToolRun:
        """Run a tool with the JSON that the model wrote; never raises but on cancellation."""
        began = asyncio.get_running_loop().time()
        done = await self._run(name, arguments)
        done.seconds = asyncio.get_running_loop().time() - began
        return done

    async def _run(self, name: str, arguments: str) -> ToolRun:
        found = self._tools.get(name)
        if found is None:
            return ToolRun(name, arguments[:200], error=f"there is no tool {name[:60]!r}")
        try:
            values = found.arguments.model_validate_json((arguments or "{}")[:ARGUMENTS_LIMIT])
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in error.errors()
            )
            return ToolRun(name, arguments[:200], error=f"wrong arguments: {problems[:500]}")
        given = {key: getattr(values, key) for key in type(values).model_fields}
        done = ToolRun(name, values.model_dump(mode="json"))
        try:
            async with asyncio.timeout(found.timeout):
                if inspect.iscoroutinefunction(found.function):
                    returned = await found.function(**given)
                else:
                    returned = await asyncio.to_thread(found.function, **given)
            done.result = to_jsonable_python(returned)
        except TimeoutError:
            done.error = f"no answer within {found.timeout:g} s"
        except ToolError as error:
            done.error = str(error)
        except Exception as error:  # the tool boundary: its fault is told to the model, its details to the log
            log.exception("tool failed", tool=name)
            done.error = f"it failed ({type(error).__name__})"
        return done


def result_text(run: ToolRun) -> str:
    """What the model is told of a run: JSON, bounded."""
    value = {"error": run.error} if run.error else run.result
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
    except Exception as error:  # the user's file: whatever it raises is told as one line
        raise ToolFileError(f"{path}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    found = [value for value in vars(module).values() if isinstance(value, Tool)]
    if not found:
        raise ToolFileError(f"{path}: no function is marked with @tool")
    return found
