"""The configuration: a TOML file, `.env` and the environment become one frozen `GatewayConfig`, and each file of
`agents/` an `AgentConfig`.

This is the only reader of the environment.
"""

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any, Self, TypeVar

from dotenv.parser import parse_stream

from agent.ivr.options import IvrOptions
from agent.mcp_options import McpOptions
from agent.providers.extra import FIXED
from agent.providers.failover import FailoverOptions
from agent.rules.rule_error import Keys, RuleError
from agent.turn_taking.options import TurnOptions
from media.process.engine import MediaOptions
from sipgw.config.agent import AgentOptions, LanguageOptions, PrefetchOptions, RouteOptions
from sipgw.config.alarms import AlarmOptions
from sipgw.config.browser import BrowserOptions
from sipgw.config.cluster import ClusterOptions
from sipgw.config.cost import CostOptions, PriceOptions
from sipgw.config.drain import DrainOptions
from sipgw.config.embed import EmbedOptions
from sipgw.config.emergency import reaches_emergency
from sipgw.config.errors import ConfigError
from sipgw.config.files import ConfigSource, explain, read_table, text_of
from sipgw.config.gate import GateOptions
from sipgw.config.inbound import AccountOptions, AdmissionOptions, LimitOptions
from sipgw.config.knowledge import KnowledgeOptions
from sipgw.config.log import LogOptions
from sipgw.config.messages import MailOptions, MessageOptions
from sipgw.config.oidc import check_groups
from sipgw.config.options import DEFAULT_FILE, OptionError, OptionFault, build, merged, near_or_all
from sipgw.config.outbound import CallbackOptions
from sipgw.config.people import PersonOptions, TransferOptions
from sipgw.config.records import (
    CaptureOptions,
    PrivacyOptions,
    RecordingOptions,
    RetentionOptions,
    StoreOptions,
    WebhookOptions,
)
from sipgw.config.registry import tables, variables
from sipgw.config.report import ReportOptions
from sipgw.config.scope import LIVE
from sipgw.config.stir import StirOptions
from sipgw.config.storage import StorageOptions
from sipgw.config.tenants import TenantOptions, check_tenants
from sipgw.config.trunks import OWN_TRUNKS, TrunkOptions
from sipgw.config.web import WebOptions
from sipgw.sip.endpoint_options import EndpointOptions

T = TypeVar("T")


def _with_tables(kind: type[T]) -> type[T]:
    """Give a configuration the tables of the registered providers."""
    kind.__annotations__ = {**kind.__annotations__, **tables()}
    for section, options in tables().items():
        setattr(kind, section, field(default_factory=options))
    return kind


@dataclass(frozen=True)
@_with_tables
class AgentConfig:
    """The options of the calls of one agent: the tables that a file of `agents/` may change.

    The tables of the registered providers stand beside those below; see `table`.
    """

    agent: AgentOptions = field(default_factory=AgentOptions)
    turns: TurnOptions = field(default_factory=TurnOptions)
    ivr: IvrOptions = field(default_factory=IvrOptions)
    """Telephone menus and queues that outgoing calls reach."""
    gate: GateOptions = field(default_factory=GateOptions)
    """The rules for outgoing calls: numbers, people, times and counts."""
    transfer: TransferOptions = field(default_factory=TransferOptions)
    cost: CostOptions = field(default_factory=CostOptions)
    """Limits on the cost of a call."""
    languages: tuple[LanguageOptions, ...] = ()
    """The languages of the agent, which begins in the first; empty: English."""
    mcp: tuple[McpOptions, ...] = ()
    """MCP servers whose tools the agent has, in addition to the tools of its file."""
    prefetch: PrefetchOptions = field(default_factory=PrefetchOptions)
    """The tool that looks up the other side's number when a call begins."""
    failover: FailoverOptions = field(default_factory=FailoverOptions)
    privacy: PrivacyOptions = field(default_factory=PrivacyOptions)
    recording: RecordingOptions = field(default_factory=RecordingOptions)
    callbacks: CallbackOptions = field(default_factory=CallbackOptions)
    report: ReportOptions = field(default_factory=ReportOptions)
    knowledge: KnowledgeOptions = field(default_factory=KnowledgeOptions)
    messages: MessageOptions = field(default_factory=MessageOptions)
    """Messages that the agent takes for people who are not there."""
    written: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False, metadata=FIXED)
    """The tables as the files have them, with their references instead of secrets: this may be shown."""
    sources: tuple[ConfigSource, ...] = field(default=(), repr=False, compare=False, metadata=FIXED)
    """The files and the environment that give the values; the first source that has a key gives its value."""

    def __post_init__(self) -> None:
        _once("languages", "code", [language.code for language in self.languages])
        if self.gate.stop_key == "1" and self.recording.consent == "key":
            why = '[gate] stop_key cannot be 1 with [recording] consent = "key": there 1 is consent'
            raise RuleError(why, ("gate", "stop_key"), ("recording", "consent"))
        if self.agent.brain and self.recording.consent == "key":
            why = "the gateway does not know which keys the server has asked for"
            raise RuleError(
                f'[recording] consent cannot be "key" with [agent] brain: {why}',
                ("recording", "consent"),
                ("agent", "brain"),
            )

    def table(self, section: str) -> Any:
        """The options of a provider by its table's name. Raises `AttributeError`."""
        return getattr(self, section)

    def explained(self, error: RuleError, agent: str = "") -> ConfigError:
        """`error` with file, line and key, and with the name of the `agent` unless its own file has the key."""
        first = next((key for source in self.sources for key in error.keys if source.has(key)), error.keys[0])
        return ConfigError(explain(self.sources, OptionFault(first, error.problem), agent=agent))

    def having(self, **tables: Any) -> Self:
        """A copy of the configuration with these tables instead of its own."""
        return replace(self, **tables)

    @property
    def codes(self) -> tuple[str, ...]:
        """The languages that are spoken, by ISO 639-1 code."""
        return tuple(one.code for one in self.languages) or ("en",)


@dataclass(frozen=True)
class GatewayConfig(AgentConfig):
    """The content of ``sipgw.toml``: the tables of the gateway as a whole, and those of its own agent."""

    sip: EndpointOptions = field(default_factory=EndpointOptions)
    media: MediaOptions = field(default_factory=MediaOptions)
    trunks: tuple[TrunkOptions, ...] = ()
    """Lines to carriers and PBXs. Without trunks and accounts, calls are taken from loopback and private networks
    only."""
    accounts: tuple[AccountOptions, ...] = ()
    """Softphones, desk phones and PBXs that authenticate by a password."""
    admission: AdmissionOptions = field(default_factory=AdmissionOptions)
    people: tuple[PersonOptions, ...] = ()
    """People to whom callers can be transferred, in addition to `transfer_to` of the caller's trunk."""
    stir: StirOptions = field(default_factory=StirOptions)
    """Signed caller numbers (STIR/SHAKEN)."""
    prices: tuple[PriceOptions, ...] = ()
    """Prices that take precedence over the price table of the package."""
    limits: LimitOptions = field(default_factory=LimitOptions)
    """Limits on calls that come in, and the answers to refused calls."""
    routes: tuple[RouteOptions, ...] = field(default=(), metadata=LIVE)
    """Routes to agents; the first route that fits a call decides. Without one, ``sip:NAME@`` reaches the agent of that
    name."""
    drain: DrainOptions = field(default_factory=DrainOptions)
    browser: BrowserOptions = field(default_factory=BrowserOptions)
    embed: EmbedOptions = field(default_factory=EmbedOptions)
    """A talk button on your web site."""
    webhooks: tuple[WebhookOptions, ...] = ()
    """Servers that receive events of calls."""
    mail: MailOptions = field(default_factory=MailOptions)
    """The mail server for messages and alarms."""
    alarms: AlarmOptions = field(default_factory=AlarmOptions)
    """When the sound of too many calls of a trunk is bad."""
    capture: CaptureOptions = field(default_factory=CaptureOptions)
    tenants: tuple[TenantOptions, ...] = ()
    """Companies that share this gateway and do not see each other."""
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    """The cluster of gateways that share limits and calls."""
    store: StoreOptions = field(default_factory=StoreOptions)
    storage: StorageOptions = field(default_factory=StorageOptions)
    """Object storage for recordings, captures and bundles."""
    retention: RetentionOptions = field(default_factory=RetentionOptions)
    log: LogOptions = field(default_factory=LogOptions)
    web: WebOptions = field(default_factory=WebOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        _once("trunks", "name", [trunk.name for trunk in self.trunks])
        _once("accounts", "user", [account.user for account in self.accounts])
        _once("tenants", "name", [tenant.name for tenant in self.tenants])
        _once("webhooks", "name", [*(webhook.name for webhook in self.webhooks), "[mail]"])
        owned = [(agent, at) for at, tenant in enumerate(self.tenants) for agent in tenant.agents]
        if twice := _twice([agent for agent, _ in owned]):
            at = max(at for agent, at in owned if agent == twice)
            raise RuleError(f"two agents of tenants are called {twice!r}", ("tenants", at, "agents"))
        self._check_embed()
        check_tenants(self.webhooks, self.tenants)
        check_groups(self.web.oidc, [(tenant.name, tenant.groups) for tenant in self.tenants])
        if self.alarms.mail_to and not self.mail.host:
            raise RuleError("needs a server that takes mail: [mail] host", ("alarms", "mail_to"))
        trunks = {trunk.name: trunk for trunk in self.trunks}
        for at, account in enumerate(self.accounts):
            if account.trunk and account.trunk not in trunks:
                problem = f"the account {account.user!r} names a trunk {account.trunk!r} that is not there"
                raise RuleError(f"{problem}; {near_or_all(account.trunk, trunks)}", ("accounts", at, "trunk"))
        for at, route in enumerate(self.routes):
            if route.trunk and route.trunk not in (known := (*trunks, *OWN_TRUNKS)):
                problem = f"{route.trunk!r} is no trunk; {near_or_all(route.trunk, known)}"
                raise RuleError(problem, ("routes", at, "trunk"))
        self._check_people(trunks)
        self._check_verdicts()
        self._check_trunks()

    def _check_people(self, trunks: Mapping[str, TrunkOptions]) -> None:
        users = {account.user for account in self.accounts}
        for at, one in enumerate(self.people):
            if one.trunk and one.trunk not in trunks:
                problem = f"[[people]] {one.name!r} names a trunk {one.trunk!r} that is not there"
                raise RuleError(f"{problem}; {near_or_all(one.trunk, trunks)}", ("people", at, "trunk"))
            through = [trunks[one.trunk]] if one.trunk else self.trunks
            countries = {trunk.country for trunk in through} - {""}
            where = f"[[people]] {one.name!r}"
            extensions = self._extensions(*through)
            if why := reaches_emergency(one.uri.user, where, countries or self.gate.countries, extensions):
                raise RuleError(why, ("people", at, "to"))
            if one.mode in ("refer", "attended") and not one.uri.user and one.uri.host in users:
                why = f'{where} has a phone here: its mode must be "bridge" or "warm"'
                raise RuleError(why, ("people", at, "mode"), ("people", at, "to"))

    def _check_trunks(self) -> None:
        served = {account.trunk for account in self.accounts}
        for at, trunk in enumerate(self.trunks):
            where, countries = f"trunk {trunk.name!r}", {trunk.country} - {""}
            transfer_to = trunk.transfer_uri.user if trunk.transfer_uri else ""
            for key, number in (("test_number", trunk.test_number), ("transfer_to", transfer_to)):
                extensions = self._extensions(trunk)
                if why := reaches_emergency(number, where, countries or self.gate.countries, extensions):
                    raise RuleError(why, ("trunks", at, key))
            if trunk.proof == "digest" and trunk.name not in served:
                why = f"{where} asks for a password, but no [[accounts]] has its name"
                raise RuleError(why, ("trunks", at, "proof"))

    def _check_embed(self) -> None:
        if self.embed.origins and not self.browser.max_calls:
            why = "[embed] needs calls from browsers: [browser] max_calls is 0"
            raise RuleError(why, ("embed", "origins"))
        if self.embed.origins and self.browser.turn_password:
            why = "[embed] gives every visitor what [browser] turn needs: use turn_secret instead of turn_password"
            raise RuleError(why, ("browser", "turn_password"))

    def _check_verdicts(self) -> None:
        """Raises `RuleError` for a rule that needs a verdict of our own check while ``[stir] roots`` is empty."""
        of_trunks = [(f"trunk {trunk.name!r}", trunk.verdicts) for trunk in self.trunks]
        of_routes = [(f"[[routes]] agent = {route.agent!r}", route.verdicts) for route in self.routes]
        for table, rules in (("trunks", of_trunks), ("routes", of_routes)):
            for at, (where, verdicts) in enumerate(rules):
                if set(verdicts) - {"verified"} and not self.stir.roots:
                    why = f"{where}: nobody checks signatures without [stir] roots"
                    raise RuleError(why, (table, at, "verdicts"))

    def _extensions(self, *trunks: TrunkOptions) -> tuple[str, ...]:
        """The extensions that may be dialled through all of `trunks`."""
        as_dialled = bool(trunks) and all(trunk.number_format == "as_dialled" for trunk in trunks)
        return self.gate.extensions if as_dialled else ()

    @property
    def audit_folder(self) -> Path:
        """The folder in which the gate records its decisions."""
        return Path(self.gate.audit or f"{self.store.path}.gate")


def _once(table: str, key: str, names: Sequence[str]) -> None:
    if twice := _twice(names):
        first, second, *_ = (at for at, name in enumerate(names) if name == twice)
        raise RuleError(f"two {table} are called {twice!r}", (table, second, key), (table, first, key))


def _twice(names: Sequence[str]) -> str:
    return min((name for name in names if names.count(name) > 1), default="")


def environment() -> dict[str, str]:
    """`.env` of the working directory, overridden by the process's environment; empty values count as unset.

    Raises `ConfigError`.
    """
    file = Path(".env")  # a named pipe of a password manager is read too; a folder named .env is not
    text = text_of(file) if file.exists() and not file.is_dir() else ""
    lines = list(parse_stream(StringIO(text)))
    if wrong := next((one.original for one in lines if one.error), None):
        line = wrong.line + wrong.string.partition(wrong.string.strip())[0].count("\n")  # without empty lines
        raise ConfigError(f".env:{line}: write NAME=value here; a quotation mark needs a second one behind the value")
    merged = {**{one.key: one.value for one in lines if one.key}, **os.environ}
    return {name: value for name, value in merged.items() if value}


def load(path: Path | None = None, variables: Mapping[str, str] | None = None) -> GatewayConfig:
    """Read the configuration from `path`; without one, from ``sipgw.toml`` if it exists, otherwise all defaults."""
    variables = environment() if variables is None else variables
    text, name = read(path)
    return parse(text, name, variables)


def read(path: Path | None = None) -> tuple[str, str]:
    """The text of the configuration, and the name of its file for messages. Raises `ConfigError`."""
    if path is None and not DEFAULT_FILE.exists():
        return "", "defaults"
    return text_of(path or DEFAULT_FILE), str(path or DEFAULT_FILE)


def parse(text: str, name: str, variables: Mapping[str, str]) -> GatewayConfig:
    """Make a `GatewayConfig` from TOML `text`. Raises `ConfigError`.

    `name` stands in error messages. If `name` is empty, there is no file yet: the messages name variables of the
    environment instead.
    """
    sources = ConfigSource(name, text, read_table(text, name)), ConfigSource("", "", keys_of(variables))
    table = merged(sources[1].table, sources[0].table)
    try:
        return replace(build(GatewayConfig, table, variables), written=table, sources=sources)
    except OptionError as error:
        told = explain(sources, *error.faults) if name else "\n".join(_asked(table, *fault) for fault in error.faults)
        raise ConfigError(told) from None


def _asked(table: Any, path: Keys, problem: str) -> str:
    """One line for a fault, with the variables of the environment to which the value at `path` refers."""
    for key in path:
        with contextlib.suppress(KeyError, IndexError, TypeError):
            table = table[key]
    names = dict.fromkeys(re.findall(r"\$\{(\w+)\}", str(table))) or path
    return f"{' or '.join(map(str, names))}: {problem}"


# Variables of the environment, and the keys that they fill in if the file lacks them. With these no file is needed.
KEYS = variables() | {"SIPGW_WEB_PASSWORD": ("web.password",)}


def keys_of(variables: Mapping[str, str]) -> dict[str, Any]:
    """The tables that `variables` fill in as `KEYS` says. Each value is a reference, such as ``${OPENAI_API_KEY}``."""
    found: dict[str, Any] = {}
    for name, places in KEYS.items():
        for place in places if name in variables else ():
            section, _, key = place.partition(".")
            found.setdefault(section, {})[key] = f"${{{name}}}"
    return found
