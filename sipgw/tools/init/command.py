"""``sipgw init``: ask for the configuration and try it, or write that of a recipe or a model server at once."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from agent.lookups import run_main
from sipgw.config.options import DEFAULT_FILE
from sipgw.program import command
from sipgw.tools.init.answers import HERE, RECIPES, Answers, replace_file

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)
MODEL_SERVERS = ("llamacpp", "ollama")
"""Model servers that ``sipgw init NAME`` tries before it writes their lines."""
KNOWN = (HERE, *RECIPES, *MODEL_SERVERS)


def _fitting(incomplete: str) -> list[str]:
    return [name for name in KNOWN if name.startswith(incomplete)]


def init(
    recipe: Annotated[
        str, typer.Argument(help=f"Without it you are asked. One of: {', '.join(KNOWN)}.", autocompletion=_fitting)
    ] = "",
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = DEFAULT_FILE,
    business: Annotated[str, typer.Option(help="Name that the agent answers with.")] = "",
    stt: Annotated[str, typer.Option(help="Provider of speech to text.")] = "",
    llm: Annotated[str, typer.Option(help="Provider of the language model.")] = "",
    tts: Annotated[str, typer.Option(help="Provider of text to speech.")] = "",
    url: Annotated[str, typer.Option(help="Address of the model server, if it is not on its usual port here.")] = "",
    model: Annotated[str, typer.Option(help="Model of the server; default: you choose one of its models.")] = "",
    *,
    call: Annotated[bool, typer.Option("--call", help="Call the agent afterwards, and print the call.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Change an existing file without asking.")] = False,
) -> None:
    """Ask for the configuration and try it; or write the configuration of a carrier, PBX, phone or model server."""
    if recipe not in ("", *KNOWN):
        _refuse(f"there is no recipe {recipe!r}; there are: {', '.join(KNOWN)}")
    providers = {"stt": stt, "llm": llm, "tts": tts}
    if recipe in MODEL_SERVERS:
        if business or any(providers.values()):
            _refuse(f"sipgw init {recipe} writes the model's lines alone; leave out --business, --stt, --llm and --tts")
        _model_server(recipe, output, url, model, yes=yes)
    elif url or model:
        _refuse(f"--url and --model are for {' and '.join(MODEL_SERVERS)}")
    _check_names(providers)
    answers = Answers(recipe or HERE, business, stt, llm, tts)
    if recipe not in ("", *MODEL_SERVERS):
        _write(answers, output, yes=yes)
    if recipe:
        if call and not _call(output):
            raise typer.Exit(1)
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        err.print(
            f"there is no terminal to ask in: name what is to be written, such as sipgw init {HERE}, and keep keys in "
            "the environment or in .env; sipgw init --help lists the names and options",
            soft_wrap=True,
        )
        raise typer.Exit(2)
    # Imported here, as below: the providers take a second, which the recipes do not need.
    from sipgw.console import one_line_errors
    from sipgw.tools.init.asking import guide

    with one_line_errors():
        guide(answers, output, call=_call, always=call, yes=yes)


def _refuse(problem: str) -> NoReturn:
    """End the command with exit status 2 and the `problem` of its options."""
    err.print(problem, markup=False, soft_wrap=True)
    raise typer.Exit(2)


def _check_names(providers: Mapping[str, str]) -> None:
    """Refuse provider names that no installed package has, before a file is written."""
    for part, name in providers.items():
        if name:
            from sipgw.config import registry

            known = ["auto", *registry.providers(part)]  # type: ignore[arg-type]  # a name of an option
            if name not in known:
                _refuse(f"--{part}: there is no provider {name!r}; there are: {', '.join(known)}")


def _write(answers: Answers, output: Path, *, yes: bool) -> None:
    """Write a new file; with `yes`, replace an existing one."""
    if output.exists() and not yes:
        err.print(f"{output} exists; move it away or name another file with --output")
        raise typer.Exit(1)
    try:
        replace_file(output, answers.text)
    except OSError as error:
        err.print(f"{output} cannot be written: {error.strerror}")
        raise typer.Exit(1) from None
    named = "" if output == DEFAULT_FILE else f" -c {output}"
    steps = "" if answers.recipe == HERE else "follow the steps at its top, then "
    out.print(f"wrote {output}: {steps}run [bold]{command()} check{named}[/]", soft_wrap=True)


def _call(output: Path) -> bool:
    """Call the agent of a configuration. Returns whether the agent answered."""

    from sipgw.config.agent_files import load_all
    from sipgw.config.log import LogOptions
    from sipgw.console import one_line_errors
    from sipgw.sip.endpoint import CallFailed
    from sipgw.sip.offer_answer import NotAcceptable
    from sipgw.telemetry import log
    from sipgw.tools.init.first_call import hold_first_call

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with one_line_errors(1, CallFailed, NotAcceptable):
        log.configure(LogOptions(level="error"))
        return not run_main(hold_first_call(*load_all(output), out))


def _model_server(name: str, output: Path, url: str, model: str, *, yes: bool) -> None:
    from sipgw.config.errors import ConfigError
    from sipgw.tools.init.model_servers.server import ServerError
    from sipgw.tools.init.model_servers.setup import set_up

    try:
        set_up(name, output, url, model, yes=yes)
    except (ServerError, ConfigError) as error:  # the second: of .env
        err.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
