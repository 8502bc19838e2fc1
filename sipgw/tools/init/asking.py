"""Asks in a terminal for the values that ``sipgw init`` writes. Keys and the line are tried as soon as they are
given."""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from agent.lookups import run_main
from agent.providers.local import models
from agent.providers.provider import Provider
from sipgw.config import registry
from sipgw.config.config import environment, parse
from sipgw.config.errors import ConfigError
from sipgw.config.masking import secrets_of
from sipgw.config.options import DEFAULT_FILE
from sipgw.console import out, working
from sipgw.program import command
from sipgw.tools.doctor.command import show_finding
from sipgw.tools.doctor.finding import Finding, bad, masked
from sipgw.tools.doctor.providers import examined
from sipgw.tools.doctor.run import ExaminationOptions, examine
from sipgw.tools.init.answers import HERE, Answers, keep, replace_file

DOTENV = Path(".env")
LINES = {
    "here": "this machine: your browser, and a caller that comes with sipgw",
    "softphone": "a softphone or desk phone in your network",
    "pbx": "a PBX: the agent is one of its extensions",
    "carrier": "a carrier: the agent has a telephone number",
}
"""The choices for the line: who can call the agent, and what that requires."""
RECIPES_OF = {
    "here": {HERE: ""},
    "softphone": {"linphone": "Linphone, Zoiper, baresip, a desk phone"},
    "pbx": {
        "asterisk": "Asterisk", "freepbx": "FreePBX", "freeswitch": "FreeSWITCH", "3cx": "3CX", "kamailio": "Kamailio",
    },
    "carrier": {
        "telnyx": "Telnyx: it works behind NAT",
        "twilio": "Twilio Elastic SIP Trunking: it needs a public address",
        "twilio-secure": "Twilio with TLS and SRTP: it needs a host name with a certificate",
        "plivo": "Plivo Zentrunk: it needs a public address",
    },
}  # fmt: skip
PARTS = {"stt": "speech to text", "llm": "language model", "tts": "text to speech"}
EMBEDDED = {
    "stt": "the embedded Whisper tiny.en: English",
    "llm": "the embedded demo model: orders, callbacks, your tools; no free conversation",
    "tts": "the embedded voice: English",
}
SERVERS = {"ollama": "Ollama on this machine", "llamacpp": "llama.cpp on this machine"}
SECRET = ("KEY", "PASSWORD", "SECRET", "TOKEN")
"""Endings of names whose values are not shown while they are typed."""
SHOWN = ("TLS_KEY",)
"""Names with such an ending whose values are shown, because they are paths of files."""


def guide(answers: Answers, output: Path, *, call: Callable[[Path], bool], always: bool, yes: bool) -> None:
    """Ask for the values that `answers` lacks, try and write them, and `call` the agent; `call` returns whether the
    agent answered. With `always`, the agent is called without a question; with `yes`, a file is replaced without a
    question. Raises `typer.Exit` if the user says no, or if the call failed.
    """
    if not yes:
        _refuse_to_overwrite(output)
    with _nothing_written():
        line, answers, given, server = _asked(answers)
    _write(answers, output, given)
    if server:
        _set_up(server, output)
    if line in ("pbx", "carrier") and typer.confirm("try the line now?", default=True):
        run_main(_try_line(answers, given))
    named = "" if output == DEFAULT_FILE else f" -c {output}"
    wanted = always or typer.confirm("call the agent now, from this machine?", default=True)
    answered = not wanted or call(output)
    out.print(f"\nnow run [bold]{command()} serve{named}[/]; it prints how to call it", soft_wrap=True)
    if not answered:
        raise typer.Exit(1)


@contextlib.contextmanager
def _nothing_written() -> Iterator[None]:
    """Print that nothing was written, if the user ends the block by Ctrl-C or by a no."""
    try:
        yield
    except typer.Exit:
        out.print("\nnothing was written")
        raise
    except (KeyboardInterrupt, typer.Abort):  # typer.Abort: the user pressed Ctrl-C at a prompt
        out.print("\nnothing was written")
        raise typer.Exit(130) from None


def _asked(answers: Answers) -> tuple[str, Answers, dict[str, str], str]:
    """Ask all questions. Returns the key of `LINES`, all answers, the values for `DOTENV`, and the key of `SERVERS` or
    ""."""
    line = choice("Who calls the agent first?", LINES)
    recipes = RECIPES_OF[line]
    recipe = choice("Which one?", recipes) if len(recipes) > 1 else next(iter(recipes))
    answers = replace(answers, recipe=recipe, business=answers.business or ask("Name of the business", "Acme Store"))
    given: dict[str, str] = {}
    server = ""
    for part in PARTS:
        if not getattr(answers, part):
            name = _provider(part, given)
            server = name if name in SERVERS else server
            answers = replace(answers, **dict[str, Any]({part: "" if name in SERVERS else name}))
    answers, values = _line_of(answers, given)
    return line, answers, given | values, server


def choice(question: str, options: Mapping[str, str], default: str = "") -> str:
    """Ask `question`, and return the key in `options` that the user chooses by its number."""
    names = list(options)
    out.print(f"\n[bold]{escape(question)}[/]")
    for number, name in enumerate(names, start=1):
        out.print(f"  {number}  {escape(options[name] or name)}", soft_wrap=True)
    first = names.index(default) + 1 if default in names else 1
    while True:
        said = str(typer.prompt("number", default=str(first)))
        if said.isdecimal() and 0 < int(said) <= len(names):
            return names[int(said) - 1]
        out.print(f"a number from 1 to {len(names)}")


def ask(name: str, default: str = "", hint: str = "") -> str:
    """Ask for the value of `name`; a secret is not shown while it is typed. Returns `default` if the user only presses
    Enter."""
    hidden = name.endswith(SECRET) and name not in SHOWN
    shown = f"{name} ({hint})" if hint else name
    return str(typer.prompt(shown, default=default, show_default=bool(default), hide_input=hidden)).strip()


def _refuse_to_overwrite(output: Path) -> None:
    """Ask, before all other questions, whether an existing file may be replaced."""
    if output.exists() and not typer.confirm(f"{output} exists. Replace it, and keep it as {output}.old?"):
        out.print("nothing was written; --output names another file")
        raise typer.Exit(1)


def _provider(part: str, given: dict[str, str]) -> str:
    """Ask for the provider of a part, or for a server of `SERVERS`. Adds the provider's keys to `given`."""
    there = {
        name: one
        for name, one in registry.providers(part).items()  # type: ignore[arg-type]  # a key of PARTS
        if one.variables and not one.embedded and not one.lacking
    }
    absent = models.missing()
    options = {"local": EMBEDDED[part] + (f" (not installed: {absent})" if absent and part != "llm" else "")}
    options |= {name: one.title for name, one in there.items()} | (SERVERS if part == "llm" else {})
    known = environment() | given
    usable = [name for name, one in there.items() if one.auto and all(known.get(key) for key in _required(one))]
    while True:
        name = choice(f"Which {PARTS[part]}?", options, usable[0] if usable else "local")
        if name not in there or _keys(part, there[name], given):
            return name


def _required(record: Provider) -> list[str]:
    return [name for name, option in record.variables.items() if option in record.required]


def _keys(part: str, record: Provider, given: dict[str, str]) -> bool:
    """Ask for the missing keys of a provider, and try them. Returns False if the user wants another provider."""
    asked = [name for name, option in record.variables.items() if option in (*record.required, record.voice_key)]
    known = environment()
    values: dict[str, str] = {}
    while True:
        for name in asked:
            if not (known.get(name) or given.get(name)) or name in values:
                values[name] = ask(name)
        if lacking := [name for name in _required(record) if not (known | given | values).get(name)]:
            out.print(
                f"{record.title} needs {' and '.join(lacking)}; choose another provider, or enter it", soft_wrap=True
            )
            return False
        tried = given | {name: value for name, value in values.items() if value}
        finding = _tried(part, record, known | tried)
        if finding.verdict != "fail":
            given |= tried
            return True
        after = choice(
            "It does not work. What now?",
            {"again": "enter it again", "keep": "keep it all the same", "other": "another provider"},
        )
        if after != "again":
            given |= tried if after == "keep" else {}
            return after == "keep"
        values = dict.fromkeys(asked, "")


def _tried(part: str, record: Provider, variables: Mapping[str, str]) -> Finding:
    """The finding of one small request to the provider, which shows whether its key works."""
    try:
        config = parse(replace(Answers(), **dict[str, Any]({part: record.name})).text, "", variables)
    except ConfigError as error:
        finding = bad("provider.missing", record.title, str(error), section=error)
    else:
        with working(f"asking {record.title}"):
            finding = masked(run_main(examined(config, part, record.name)), secrets_of(config))
    show_finding(finding, new=True)
    return finding


def _line_of(answers: Answers, given: dict[str, str]) -> tuple[Answers, dict[str, str]]:
    """Ask for the values that the recipe needs and that are not set. Returns the answers with their names, and the
    values."""
    while True:
        known = environment() | given
        wanted = [name for name in answers.variables if not known.get(name)]
        if wanted:
            out.print(f"\n{escape(answers.steps)}\n", style="dim", soft_wrap=True)
        values = {name: answers.without_domain(name, _line_value(name)) for name in wanted}
        more: dict[str, str] = {}
        for name in answers.optional:
            if not (value := known.get(name) or ask(name, hint="for calls out; Enter leaves it out")):
                more = {}  # user and password are needed together
                break
            more[name] = value
        told = replace(answers, given=tuple(more))
        values |= {name: value for name, value in more.items() if not known.get(name)}
        try:
            parse(told.text, "", known | values)
        except ConfigError as error:
            out.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
            if not values or not typer.confirm("enter it again?", default=True):
                raise typer.Exit(1) from None
        else:
            return told, values


def _line_value(name: str) -> str:
    if name != "ANNA_PASSWORD":
        return ask(name)
    made = ask(name, hint="Enter makes one") or secrets.token_urlsafe(12)
    out.print(f"  the phone's user is [bold]anna[/], its password [bold]{escape(made)}[/]")
    return made


def _write(answers: Answers, output: Path, given: Mapping[str, str]) -> None:
    try:
        replace_file(output, answers.text)
        keep(given, DOTENV)
    except OSError as error:
        out.print(f"[red]error:[/] {error.filename} cannot be written: {error.strerror}", soft_wrap=True)
        raise typer.Exit(1) from None
    names = f", and {', '.join(given)} into {DOTENV}, which only you may read" if given else ""
    out.print(f"\nwrote {output}{names}", soft_wrap=True)


def _set_up(server: str, output: Path) -> None:
    from sipgw.tools.init.model_servers.server import ServerError
    from sipgw.tools.init.model_servers.setup import set_up

    try:
        set_up(server, output, "", "", yes=True)
    except ServerError as error:
        out.print(f"[yellow]note[/]   {escape(str(error))}", soft_wrap=True)


async def _try_line(answers: Answers, given: dict[str, str]) -> None:
    """Print the findings of `sipgw doctor` on the trunk."""
    config = parse(answers.text, "sipgw.toml", environment() | given)
    for trunk in config.trunks:
        before = ""
        async for finding in examine(config, ExaminationOptions(trunk.name, providers=False)):
            show_finding(finding, new=finding.about != before)
            before = finding.about
