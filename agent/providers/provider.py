"""The record by which a provider is registered.

A package names it in an entry point of the group ``sipgw.stt``, ``sipgw.tts``, ``sipgw.llm`` or ``sipgw.realtime``. The
module that holds it imports no package of the vendor: `Provider.make` does when a call needs it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import date
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from agent.records import Part

Unit = Literal["seconds", "tokens_in", "tokens_out", "audio_tokens_in", "audio_tokens_out", "characters"]
CONSTANT = "no key any more: the gateway has a constant for it; leave it out"
"""Text in `Provider.renamed` for a key that became a constant."""


@dataclass(frozen=True)
class Model:
    """Models of a provider, by name, and the day on which they end."""

    names: tuple[str, ...]
    """Names of the models; ``*`` stands for any text."""
    ends: date | None = None
    """The day on which the models are shut down, or from which another model answers; None: no day is announced."""
    instead: str = ""
    """The line for the provider's table that names the replacement."""
    note: str = ""
    """A further note, as a sentence without its full stop."""
    source: str = ""
    key: str = "model"
    """The option that names the model."""


@dataclass(frozen=True)
class Price:
    """A list price in US dollars, without tax."""

    model: str
    """Name of the model; ``*`` stands for any text."""
    unit: Unit
    price: float
    per: float
    """Number of units that cost `price`."""
    since: date
    """The day on which the price was seen, not the day on which the vendor set it."""
    source: str
    estimate: bool = True
    """Whether nobody has compared the price with a bill or the vendor's own page."""


@dataclass(frozen=True)
class Provider:
    """A provider of one part of a conversation."""

    name: str
    """The word for the provider in ``[agent]``: lower case letters, digits and _."""
    part: Part
    options: type[Any]
    """The frozen dataclass of its table, derived from `agent.providers.stt.ListenOptions`,
    `agent.providers.tts_session.SpeakOptions` or `agent.providers.extra.ProviderOptions`. Every option has a default.
    """
    make: Callable[[Any], Any]
    """Makes the provider from its options: an `agent.stt.SpeechToText` or an `agent.tts.TextToSpeech` (one for each
    call), or an `agent.llm.DistantModel` (one for all calls). For speech to speech it makes a function from an
    `agent.realtime.Brief` to an `agent.realtime.RealtimeModel`."""
    section: str = ""
    """The name of the table with the provider's options; empty: `name`."""
    title: str = ""
    """The vendor's name in sentences; empty: `name`."""
    family: str = ""
    """The name under which its prices are listed, if that is the name of another provider; empty: `name`."""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Variables of the environment, and the option that each fills in."""
    required: tuple[str, ...] = ("api_key",)
    """The options without which the provider cannot be used."""
    host: str = ""
    """The vendor's host, if others run compatible servers, which may need no key and know other models; empty: nobody
    does."""
    package: str = ""
    """The package that the provider needs and that a plain installation of sipgw lacks; empty: none."""
    install: str = ""
    """The requirement that pip installs for `package`; empty: `package`."""
    keyless: bool = False
    """Whether servers on other hosts than `host` can be used without a key."""
    auto: int = 0
    """The place of the provider in the order of ``auto``, which takes the first usable one; 0: the configuration must
    name it."""
    embedded: str = ""
    """The work of an embedded provider, in words, such as "hearing with the embedded Whisper tiny.en"; empty: the
    provider is a service."""
    languages: Callable[[Any], Collection[str] | None] = lambda _: None
    """The ISO 639-1 codes of the languages that the provider supports with these options, at least those that an agent
    may speak (`agent.call_languages.NAMES`); None: unknown."""
    voices: Mapping[str, str] = field(default_factory=dict, hash=False)
    """A value of `voice_key` for each ISO 639-1 code, if the default voice does not speak all languages."""
    voice_key: str = "voice_id"
    """The option that names the voice."""
    language_key: str = "language"
    """The option of a voice that takes an ISO 639-1 code; empty: no option does."""
    takes_keyterms: Callable[[Any], bool] = lambda _: True
    """STT and realtime: whether the provider uses the agent's key terms with these options."""
    redacts: Callable[[Any], Mapping[str, str]] = lambda _: {}
    """The kinds of ``[privacy] redact`` that the provider removes itself, each with its word for the option
    `redact`."""
    word_times: Callable[[Any], bool] = lambda _: False
    """Whether the provider reports with these options where each word is in the sound."""
    ends_turns: Callable[[Any], bool] = lambda _: False
    """Speech to text: whether the provider decides with these options when a turn is over."""
    units: tuple[Unit, ...] = ()
    """Units that the provider charges for, in addition to the units of every provider of its part."""
    further: Callable[[Any], Mapping[str, tuple[Unit, ...]]] = lambda _: {}
    """Further products that are used with these options, each with its units, such as a model that only transcribes."""
    prices: tuple[Price, ...] = ()
    models: tuple[Model, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Former keys of its table, each with its new key and, after a comma, the unit of the new key."""
    load: Callable[[Any], object] = lambda _: None
    """Imports the packages that the provider needs with these options. It runs before the first call, in a thread.
    Raises `ImportError`."""

    def __post_init__(self) -> None:
        known = {one.name for one in fields(self.options)}
        if lacking := [one.name for one in fields(self.options) if one.default is one.default_factory is MISSING]:
            raise ValueError(f"the option {lacking[0]!r} has no default")
        if plain := [name for name in ("word_times", "ends_turns") if not callable(getattr(self, name))]:
            raise ValueError(f"{plain[0]!r} is a function of the options, such as lambda _: True")
        wanted = {*self.variables.values(), *self.required, *(one.key for one in self.models)}
        if not self.embedded and (unknown := wanted - known):
            raise ValueError(f"there is no option {min(unknown)!r}")
        for name, usual in (("section", self.name), ("title", self.name), ("family", self.name)):
            if not getattr(self, name):
                object.__setattr__(self, name, usual)

    @property
    def needs(self) -> str:
        """The variables of the environment without which the provider cannot be used, in words."""
        names = [name for name, key in self.variables.items() if key in self.required]
        return " and ".join(names) or f"a key of [{self.section}]"

    @property
    def lacking(self) -> str:
        """The requirement that pip must install before the provider can be used; empty if nothing is missing."""
        try:
            found = not self.package or find_spec(self.package)
        except ModuleNotFoundError:  # the parent package is missing
            found = None
        return "" if found else self.install or self.package

    def usable(self, options: Any) -> bool:
        """Whether `options` have all values that the provider needs."""
        if self.keyless and self.elsewhere(options):
            return True
        return bool(self.embedded) or all(getattr(options, key) for key in self.required)

    def elsewhere(self, options: Any) -> bool:
        """Whether `options` name a server that is not the vendor's."""
        return bool(self.host) and self.host not in options.url

    def product(self, options: Any) -> str:
        """The name of the charged product, such as ``"openai/gpt-4.1-mini"``. Options for which another name than
        `model` is charged have a property `product`."""
        model = getattr(options, "product", "") or getattr(options, "model", "")
        return f"{self.family}/{model}" if model else self.family

    def having(self, options: Any, **values: Any) -> Any:
        """`options` with these `values`, as far as the options have such fields."""
        taken = {one.name for one in fields(self.options)}
        return replace(options, **{name: value for name, value in values.items() if name in taken})


def imported(*names: str) -> None:
    """Import these modules, for `Provider.load`."""
    for name in names:
        import_module(name)
