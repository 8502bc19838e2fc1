"""``sipgw init ollama`` and ``llamacpp``: find the server, load a model, try it, write the lines."""

import asyncio
import os
import re
import sys
import tomllib
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from agent.errors import ProviderError
from agent.lookups import run_main
from agent.providers.extra import is_address
from agent.providers.openai_client import OpenAIOptions
from sipgw.config.config import environment
from sipgw.config.options import DEFAULT_FILE, OptionError, build
from sipgw.config.registry import provider
from sipgw.program import command
from sipgw.tools.init.model_servers.lines import LinesError, Values, present, with_values
from sipgw.tools.init.model_servers.llamacpp import LlamaCpp
from sipgw.tools.init.model_servers.ollama import Ollama
from sipgw.tools.init.model_servers.server import ModelServer, Requests, ServedModel, ServerError
from sipgw.tools.init.model_servers.trial import TRIAL_LIMIT, TrialError, TrialResult, trial
from sipgw.tools.whole_file import write_whole

SERVERS: dict[str, type[Ollama] | type[LlamaCpp]] = {"ollama": Ollama, "llamacpp": LlamaCpp}
SLOW = 1.5
"""Seconds to the first token from which on a caller notices the delay, as for `sipgw doctor`."""
_USUAL = vars(OpenAIOptions())
_WRITTEN = ("url", "model")
_SLOW_ADVICE = "look at what the server prints; if it is slow, take a smaller model or a faster machine"

out = Console(highlight=False, emoji=False)


def set_up(name: str, output: Path, url: str, model: str, *, yes: bool) -> None:
    """Try the server `name`, and write its lines into `output`. Raises `ServerError`, or `typer.Exit` if the user says
    no."""
    kind = SERVERS[name]
    url = (url or kind.default_url).rstrip("/").removesuffix("/v1")
    if not url.startswith(("http://", "https://")):
        url = f"http://{url}"
    if "@" in url:
        raise ServerError(
            "an address takes no name and password: let the server ask for none, on a network of your own"
        )
    if not is_address(url):
        raise ServerError(f"{url} is no address: write it as {kind.default_url}")
    before = _read(output)
    if present(before, {"agent": {"brain": ""}}):
        raise ServerError(f"{output} has [agent] brain, a server that replaces the language model: take it out first")
    if present(before, {"openai": {"api_key": ""}}):
        _note(f"{output} has [openai] api_key: each call sends it to this server; take it out")
    elif environment().get("OPENAI_API_KEY"):
        _note("OPENAI_API_KEY is set: each call sends it to this server; take it out of the environment and of .env")
    values = run_main(_tried(kind, url, model, output))
    _write(output, values, kind.title, yes=yes)


def _values(url: str, model: ServedModel) -> Values:
    """The keys and values of the configuration for `model`."""
    values = {"agent": {"llm": "openai"}, "openai": {"url": f"{url}/v1", "model": model.name}}
    if model.thinks:
        values["openai"]["reasoning_effort"] = "none"
    return values


def _read(output: Path) -> str:
    """The text of the file `output`; empty if there is none. Raises `ServerError` if the file cannot be changed, before
    a model is loaded for minutes."""
    try:
        text = output.read_text(encoding="utf-8") if output.exists() else ""
        tomllib.loads(text)
        if not os.access(output if output.exists() else output.parent, os.W_OK):
            raise PermissionError("it cannot be written")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ServerError(f"{output} cannot be read ({error}): mend it, or name another file with --output") from None
    return text


async def _tried(kind: type[Ollama] | type[LlamaCpp], url: str, wanted: str, output: Path) -> Values:
    """The keys and values for the chosen model. The model was tried with them, and with the other options in
    `output`."""
    requests = Requests(url, kind.absent)
    server: ModelServer = kind(requests)
    try:
        models = await server.models()
        out.print(escape(f"{kind.title} answers at {url}"))
        for one in models:
            out.print(escape(f"  {_described(one)}"), soft_wrap=True)
        model = _choice(models, wanted)
        values = _values(url, model)
        options = _options(output, values)
        out.print(f"loading {escape(model.name)} ...")
        clock = asyncio.get_running_loop().time
        began = clock()
        await server.load(model)
        out.print(f"loaded after {clock() - began:.1f} s")
        found = await _trial(server, options)
        out.print(escape(f"it calls tools: {found.call}"), soft_wrap=True)
        out.print(f"first token after {found.first_token * 1000:.0f} ms")
        if found.first_token > SLOW:
            _note("callers will notice the delay: take a smaller model, or a machine with a graphics card")
        async for note in server.notes(model):
            _note(note)
        return values
    finally:
        await requests.close()


def _described(one: ServedModel) -> str:
    marks = [
        one.about,
        "loaded" if one.loaded else "",
        "" if one.tools is None else "calls tools" if one.tools else "calls no tools",
    ]
    told = ", ".join(filter(None, marks))
    return f"{one.name} ({told})" if told else one.name


def _choice(models: list[ServedModel], wanted: str) -> ServedModel:
    """The model `wanted`; otherwise a model that calls tools, if possible one that is loaded."""
    if wanted:
        found = next((one for one in models if one.name in (wanted, f"{wanted}:latest")), None)
        if found is None:
            raise ServerError(f"there is no model {wanted!r}; there are: {', '.join(one.name for one in models)}")
        return found
    able = [one for one in models if one.tools is not False]
    first = next((one for one in able if one.loaded), able[0])
    if len(able) == 1 or not sys.stdin.isatty():
        return first
    while True:
        name = typer.prompt("which model?", default=first.name)
        if found := next((one for one in models if one.name == name), None):
            return found


def _options(output: Path, values: Values) -> OpenAIOptions:
    """The options `[openai]` of the future file, without its key. Raises `ServerError`."""
    table = tomllib.loads(_written(output, _read(output), values))["openai"]
    table.pop("api_key", None)
    try:
        return build(OpenAIOptions, table, environment())
    except OptionError as error:
        path, problem = error.faults[0]
        raise ServerError(f"{output}: [openai] {'.'.join(map(str, path))}: {problem}; mend it") from None


async def _trial(server: ModelServer, options: OpenAIOptions) -> TrialResult:
    llm = provider("llm", "openai").make(options)
    try:
        return await trial(llm)
    except TimeoutError:
        problem, advice = f"the trial took longer than {TRIAL_LIMIT:g} s", _SLOW_ADVICE
    except ProviderError as error:
        problem = error.problem
        advice = server.without_tools if re.search("tool|jinja", problem) else _SLOW_ADVICE
    except TrialError as error:
        problem, advice = str(error), server.without_tools
    finally:
        await llm.close()
    kept = sorted(key for key, value in vars(options).items() if value != _USUAL[key] and key not in _WRITTEN)
    tried = f" with {', '.join(kept)} of [openai]" if kept else ""
    raise ServerError(f"{options.model} is not fit for calls{tried}: {problem}; {advice}")


def _written(output: Path, before: str, values: Values) -> str:
    """The text `before` with these values. Raises `ServerError` if it cannot be changed in this way."""
    try:
        return with_values(before, values)
    except LinesError as error:
        lines = "\n".join(
            f"[{name}]\n" + "\n".join(f'{k} = "{v}"' for k, v in keys.items()) for name, keys in values.items()
        )
        raise ServerError(f"{output} cannot be changed ({error}); write into it:\n{lines}") from None


def _write(output: Path, values: Values, title: str, *, yes: bool) -> None:
    before = (
        output.read_text(encoding="utf-8")
        if output.exists()
        else f"# The language model is {title} on a server of one's own.\n"
    )
    written = _written(output, before, values)
    if output.exists() and written != before and not yes:
        for key, value in present(before, values).items():
            table, _, name = key.partition(".")
            out.print(
                escape(f"{output} has [{table}] {name} = {value!r}; it becomes {values[table][name]!r}"),
                soft_wrap=True,
            )
        if not typer.confirm(f"change {output}?", default=True):
            out.print("nothing was written")
            raise typer.Exit(1)
    try:
        write_whole(output, written)
    except OSError as error:
        raise ServerError(f"{output} cannot be written ({error}): name another file with --output") from None
    named = "" if output == DEFAULT_FILE else f" -c {output}"
    out.print(f"wrote {output}: now run [bold]{command()} check{named}[/]", soft_wrap=True)


def _note(text: str) -> None:
    out.print(f"[yellow]note[/]   {escape(text)}", soft_wrap=True)
