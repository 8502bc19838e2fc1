"""Agents, and the choice of the agent for a call. One agent is in ``sipgw.toml``; each file of ``agents/`` beside it is
another agent.

An agent's file is TOML, or Markdown whose body is the prompt and whose head, between two lines of ``+++``, is TOML. Its
keys are those of ``[agent]``; its tables (``[turns]``, ``[openai]``, ``[elevenlabs]`` …) override ``sipgw.toml`` for
this agent alone.
"""

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from agent.active_agent import BUILT_IN
from agent.rules.rule_error import Keys, RuleError
from agent.tools import Tool, ToolFileError, load_tools
from agent.turn_model import loaded
from sipgw.agents import deprecations
from sipgw.agents.music import hold_music, sounds_under
from sipgw.agents.products import unpriced
from sipgw.agents.provider_choice import ProviderChoice, unspoken, without_keyterms
from sipgw.agents.providers import choice_of, products
from sipgw.config.agent import AgentOptions, RouteOptions
from sipgw.config.agent_files import DEFAULT
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.errors import ConfigError
from sipgw.config.masking import SHORTEST_SECRET, secrets_of, too_short
from sipgw.config.options import about, near_or_all
from sipgw.config.records import PrivacyOptions, Sink
from sipgw.config.tenants import tenant_of
from sipgw.records.privacy.at_provider import left_in
from sipgw.records.privacy.redaction import Redact, redactor_for
from sipgw.records.webhooks.owner import Owner
from sipgw.sip.identity import Identity, is_number
from sipgw.sip.message import Request

OURS = BUILT_IN | {"pause_recording", "resume_recording", "schedule_callback", "stop_calling", "take_message"}
"""Names of the tools of conversation and gateway, which are created for each call; an agent's own tools must not use
them."""
VARIABLES = ("business", "caller", "dialled", "trunk", "date", "time", "weekday", "topic", "emergency_number")
"""Variables for ``{{name}}`` in prompt, greetings and notice. `topic` is the subject of a callback."""
MOST_VARIABLES = 50
LONGEST_VALUE = 500
"""Maximum characters of a value of a call."""
UNMASKED = f"{{}} has fewer than {SHORTEST_SECRET} characters, so logs and reports may show it: take a longer one"

TOOLS: Keys = ("agent", "tools")
PREFETCH: Keys = ("prefetch", "tool")

_OWN = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class AgentDefinition:
    """One agent, ready to answer."""

    name: str
    config: AgentConfig
    """The options of its calls."""
    gateway: GatewayConfig
    """Configuration of the gateway."""

    @cached_property
    def choice(self) -> ProviderChoice:
        """The providers. Raises `RuleError` if a named provider cannot be used."""
        return choice_of(self.config)

    @property
    def told(self) -> str:
        """The agent's name for errors; empty for the agent of ``sipgw.toml``, whose errors name the file."""
        return "" if self.name == DEFAULT else self.name

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The secret texts in the configurations of the agent and of the gateway."""
        return secrets_of(self.gateway) | secrets_of(self.config)

    @property
    def providers(self) -> dict[str, tuple[str, ...]]:
        """The chosen provider of each part of a conversation and its backups, in order."""
        return {"stt": self.choice.stt, "llm": self.choice.llm, "tts": self.choice.tts}

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings, each a sentence: on providers that were chosen without or against a key, or that ignore a setting;
        on models that end soon; on too short secrets."""
        return (
            *self.choice.notes,
            *without_keyterms(self.config, self.choice),
            *left_in(self.config, self.choice.stt, self.choice.realtime),
            *deprecations.endings(self.config, self.choice, deprecations.today()),
            *(UNMASKED.format(name) for name in sorted(too_short(self.config))),
        )

    @cached_property
    def tools(self) -> list[Tool]:
        """The tools in the agent's file of tools. Raises `RuleError`."""
        path = self.config.agent.tools
        try:
            found = load_tools(Path(path)) if path else []
        except ToolFileError as error:
            raise RuleError(str(error), TOOLS) from None
        for one in found:
            if one.name in OURS:
                why = f"{path}: tool {one.name}: the gateway has one of that name; give it another"
                raise RuleError(why, TOOLS)
        return found


class Agents:
    """All agents of a gateway, and the routing of calls to them.

    Raises `ConfigError` with a line for each fault.
    """

    def __init__(self, config: GatewayConfig, others: Mapping[str, AgentConfig]) -> None:
        self.config = config
        # First the agent of ``sipgw.toml``: the others take from it the options that their files leave out.
        every = {DEFAULT: config} | {**others, DEFAULT: config}
        self.all = {name: AgentDefinition(name, each, config) for name, each in every.items()}
        self.routes = config.routes
        self._gone: dict[str, AgentDefinition] = {}
        faults = list[tuple[AgentDefinition, RuleError]]()
        for one in self.all.values():
            for check in _CHECKS:
                try:
                    check(one, self.all)
                except RuleError as error:
                    faults.append((one, error))
        for key, name in _named(config):
            if name not in self.all:
                unknown = RuleError(f"{name!r} is no agent; {near_or_all(name, self.all)}", key)
                faults.append((self.all[DEFAULT], unknown))
        if faults:
            raise ConfigError("\n".join(_lines(faults)))

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all agents, each once, and notes on products without a price although a cap is set."""
        every = (*(note for one in self.all.values() for note in one.notes), *self.unpriced(), *self.unspoken())
        return tuple(dict.fromkeys(every))

    def unspoken(self) -> list[str]:
        """Languages that providers lack, see `sipgw.agents.provider_choice.unspoken`. `sipgw check` refuses them; a
        gateway starts with a warning."""
        keys = ("languages",), ("agent", "stt"), ("agent", "tts")
        every = self.all.values()
        return _lines((one, RuleError(why, *keys)) for one in every for why in unspoken(one.config, one.choice))

    def unpriced(self) -> list[str]:
        """See `sipgw.agents.products.unpriced`."""
        used = {name: (one.config, products(one.config, one.choice)) for name, one in self.all.items()}
        return unpriced(self.config, used)

    def become(self, other: "Agents") -> None:
        """Replace all agents and routes by those of `other`, from the next call on."""
        self._gone |= self.all
        self.all, self.routes, self.config = other.all, other.routes, other.config

    def drafting(self, name: str, prompt: str) -> "Agents":
        """A copy for one call, in which the agent `name` has this prompt. Raises `ConfigError`."""
        one, found = self.all[name], copy.copy(self)
        draft = replace(one, config=one.config.having(agent=replace(one.config.agent, prompt=prompt)))
        try:
            _check_variables(draft, self.all)
        except RuleError as error:  # the prompt is in no file yet
            raise ConfigError(f"agent {name}: {error.keys[0][-1]}: {error.problem}") from None
        found.all = {**self.all, name: draft}
        return found

    def known(self, name: str) -> AgentDefinition:
        """The agent of that name, or its last version if it was removed; the default agent for an unknown name."""
        return self.all.get(name) or self._gone.get(name) or self.all[DEFAULT]

    def ask_verdict(self, request: Request, caller: Identity, trunk: str) -> bool:
        """Whether the agent of a call depends on the verdict on the caller's number."""
        first = next((route for route in self.routes if _fits(route, request, caller, trunk)), None)
        return bool(self._demanding(_dialled(request)) if first is None else first.verdicts)

    def _demanding(self, agent: str) -> list[RouteOptions]:
        """The routes that let only callers with certain verdicts reach `agent`. Dialling the agent's name does not
        bypass them."""
        return [route for route in self.routes if route.agent == agent and route.verdicts]

    def answering(self, request: Request, caller: Identity, trunk: str) -> AgentDefinition:
        """The agent of a call: that of the first matching route, else the agent of the dialled name, else the
        default."""
        for route in self.routes:
            if _fits(route, request, caller, trunk) and _believed(route, caller):
                return self.all[route.agent]
        name = _dialled(request)
        demanding = self._demanding(name)
        reached = not demanding or any(_believed(route, caller) for route in demanding)
        return self.all.get(name if reached else DEFAULT, self.all[DEFAULT])

    def redact(self, sink: Sink) -> Callable[[str], Redact]:
        """The redactor for `sink` of the agent of that name; the default agent's for an unknown name."""
        return lambda agent: redactor_for(self.privacy(agent), sink)

    def reports(self, agent: str) -> bool:
        """Whether calls of the agent of that name get a report."""
        return self.known(agent).config.report.wanted

    def owner(self, agent: str) -> Owner:
        """Owner of the messages that the agent of that name takes; an owner without addresses for an unknown name."""
        known = self.all.get(agent) or self._gone.get(agent)
        if known is None:
            return Owner(())
        options = known.config.messages
        return Owner(options.mail_to, self.privacy(agent).covers, options.language or known.config.codes[0])

    def privacy(self, agent: str) -> PrivacyOptions:
        """The privacy options of the agent of that name; the default agent's for an unknown name."""
        return self.known(agent).config.privacy


def _dialled(request: Request) -> str:
    """The name of the agent that is dialled, if there is such an agent."""
    return (request.uri.user or "").lower()


def _fits(route: RouteOptions, request: Request, caller: Identity, trunk: str) -> bool:
    """Whether `route` fits the call, without regard to the verdict on its caller."""
    dialled = (caller.dialled, request.uri.user or "")
    if route.called and not any(fnmatchcase(number, pattern) for number in dialled for pattern in route.called):
        return False
    if route.trunk and route.trunk != trunk:
        return False
    name, _, wanted = route.header.partition(":")
    return not name or (request.headers.get(name.strip().lower()) or "").strip() == wanted.strip()


def _believed(route: RouteOptions, caller: Identity) -> bool:
    return not route.verdicts or not caller.verdicts.isdisjoint(route.verdicts)


_FILLED = ("prompt", "greeting", "outbound_greeting", "voicemail", "screening", "notice", "opening")


def _named(config: GatewayConfig) -> Iterator[tuple[Keys, str]]:
    """The agents that tables of the gateway name, each with the key that names it."""
    for at, route in enumerate(config.routes):
        yield ("routes", at, "agent"), route.agent
    for at, tenant in enumerate(config.tenants):
        yield from ((("tenants", at, "agents"), name) for name in tenant.agents)
    if config.embed.origins:
        yield ("embed", "agent"), config.embed.agent


def _lines(faults: Iterable[tuple[AgentDefinition, RuleError]]) -> list[str]:
    """A line for each fault. A fault that an agent inherits from an earlier agent has a line for the earlier one
    only."""
    found = dict[str, None]()
    for one, error in faults:
        if str(one.config.explained(error)) not in found:
            found[str(one.config.explained(error, one.told))] = None
    return list(found)


Others = Mapping[str, AgentDefinition]
"""All agents by name."""


def _check_variables(one: AgentDefinition, _: Others) -> None:
    own = one.config.agent.variables
    if wrong := next((name for name in own if not _OWN.fullmatch(name) or name in VARIABLES), ""):
        raise RuleError(f"{wrong!r} is taken, or not made of letters, digits and _", ("agent", "variables"))
    if len(own) > MOST_VARIABLES:
        raise RuleError(f"more than {MOST_VARIABLES}", ("agent", "variables"))
    options = one.config.agent
    texts: dict[Keys, str] = {("agent", name): getattr(options, name) for name in _FILLED}
    texts |= {("agent", "brain_parameters", name): value for name, value in options.brain_parameters.items()}
    for at, spoken in enumerate(one.config.languages):
        texts["languages", at, "sentences", "emergency"] = spoken.sentences.get("emergency", "")
    for key, text in texts.items():
        for name in _VARIABLE.findall(text):
            if name not in (*VARIABLES, *own):
                known = ", ".join((*VARIABLES, *own))
                raise RuleError(f"there is no {{{{{name}}}}}; known: {known}", key)


def _check_prefetch(one: AgentDefinition, _: Others) -> None:
    """Check the options of `prefetch` before the MCP servers are asked."""
    options, own = one.config.prefetch, {tool.name: tool for tool in one.tools}
    tool = own.get(options.tool)
    if options.tool and tool is None and not (one.config.mcp or one.config.agent.brain):
        raise RuleError(f"the file of tools has no {options.tool!r}; it has {', '.join(own) or 'none'}", PREFETCH)
    if tool and tool.side_effect:
        raise RuleError(f"{options.tool!r} changes something; name a tool that only looks up data", PREFETCH)
    if tool and options.argument not in tool.arguments.model_fields:
        known = ", ".join(tool.arguments.model_fields) or "none"
        why = f"{options.tool!r} has no parameter {options.argument!r}; its parameters are {known}: write argument"
        raise RuleError(why, ("prefetch", "argument"), PREFETCH)


def _check_knowledge(one: AgentDefinition, _: Others) -> None:
    folder = one.config.knowledge.folder
    if folder and one.config.agent.brain:
        why = "the brain of the agent gets no documents; look them up there"
        raise RuleError(why, ("knowledge", "folder"), ("agent", "brain"))
    if folder and not Path(folder).is_dir():
        raise RuleError(f"there is no folder {folder}; make it", ("knowledge", "folder"))


def _check_providers(one: AgentDefinition, _: Others) -> None:
    one.choice  # noqa: B018  what cannot be used is told now


def _check_tools(one: AgentDefinition, _: Others) -> None:
    one.tools  # noqa: B018


def _check_sounds(one: AgentDefinition, _: Others) -> None:
    hold_music(one.config.transfer.music)
    sounds_under(one.config.agent)
    if one.config.turns.model:
        with about(("turns", "model")):
            loaded(one.config.turns.model)  # otherwise the first call would wait for the model


def _check_mail(one: AgentDefinition, _: Others) -> None:
    if one.config.messages.mail_to and not one.gateway.mail.host:
        raise RuleError("needs a server that takes mail: [mail] host", ("messages", "mail_to"))


def _check_brain(one: AgentDefinition, _: Others) -> None:
    if one.config.agent.brain and one.config.prefetch.tool:
        why = "the brain of the agent is not told what is found; look it up there"
        raise RuleError(why, PREFETCH, ("agent", "brain"))


def _check_hand_over(one: AgentDefinition, others: Others) -> None:
    key = ("agent", "hand_over")
    for name in one.config.agent.hand_over:
        if name not in others:
            raise RuleError(f"{name!r} is no agent; {near_or_all(name, others)}", key)
        if others[name].config.agent.brain:
            raise RuleError(f"{name!r} has its own server as its brain, which cannot take over calls", key)
        if bool(others[name].choice.realtime) is not bool(one.choice.realtime):
            raise RuleError(f"{name!r} and {one.name!r} need both a realtime model, or neither", key)
        if tenant_of(name, one.gateway.tenants) != tenant_of(one.name, one.gateway.tenants):
            raise RuleError(f"{name!r} belongs to another tenant", key)


_CHECKS = (
    _check_variables, _check_providers, _check_tools, _check_prefetch, _check_knowledge, _check_sounds, _check_mail,
    _check_brain, _check_hand_over,
)  # fmt: skip
"""Checks of an agent; each raises `RuleError` for a fault."""


class VariableError(ValueError):
    """A value of a call is unusable."""


def checked(options: AgentOptions, given: Mapping[str, str]) -> dict[str, str]:
    """The checked values of a call: all that the agent declares, and ``topic``. Raises `VariableError`."""
    known = (*options.variables, "topic")
    for name, value in given.items():
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the agent's 'variables' are: {', '.join(known)}"
            raise VariableError(f"the agent has no variable {name[:40]!r}; {hint}")
        if len(value) > LONGEST_VALUE or not value.isprintable():
            raise VariableError(f"{name}: up to {LONGEST_VALUE} characters without line breaks")
    if missing := [name for name in options.variables if not given.get(name, "").strip()]:
        raise VariableError(f"the agent needs a value for {', '.join(missing)}")
    return dict(given)


def call_variables(
    options: AgentOptions, caller: Identity, trunk: str, now: datetime, given: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The values of `VARIABLES` in one call, and those `given`. Values from the other side are used only if they are
    numbers."""
    return (
        dict.fromkeys((*options.variables, "topic", "emergency_number"), "")
        | {
            "business": options.business,
            "caller": caller.number if is_number(caller.number) else "unknown",
            "dialled": caller.dialled if is_number(caller.dialled) else "unknown",
            "trunk": trunk,
            "date": f"{now.day} {now:%B %Y}",
            "time": f"{now:%H:%M}",
            "weekday": f"{now:%A}",
        }
        | dict(given or {})
    )


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with every ``{{name}}`` replaced."""
    return _VARIABLE.sub(lambda match: values[match[1]], text)
