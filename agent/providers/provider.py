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
"""For `Provider.renamed`."""


@dataclass(frozen=True)
class Model:
    """Models of a provider that are known by name, and their end."""

    names: tuple[str, ...]
    """``*`` stands for anything."""
    ends: date | None = None
    """The day on which they are shut down, or from which another one answers; None: no day is announced."""
    instead: str = ""
    """The line for the provider's table that replaces them."""
    note: str = ""
    """A further note, as a sentence without its full stop."""
    source: str = ""
    key: str = "model"
    """The option that names the model."""


@dataclass(frozen=True)
class Price:
    """A list price in US dollars, without tax."""

    model: str
    """``*`` stands for anything."""
    unit: Unit
    price: float
    per: float
    """So many units for `price`."""
    since: date
    """The day on which it was seen, not the day on which the vendor set it."""
    source: str
    estimate: bool = True
    """Whether nobody has compared it with a bill or the vendor's own page."""


@dataclass(frozen=True)
class Provider:
    """A provider of one part of a conversation."""

    name: str
    """The word for it in ``[agent]``: lower case letters, digits and _."""
    part: Part
    options: type[Any]
    """The frozen dataclass of its table, derived from `agent.providers.stt.ListenOptions`,
    `agent.providers.tts_session.SpeakOptions` or `agent.providers.extra.ProviderOptions`. Every option has a default.
    """
    make: Callable[[Any], Any]
    """From the options to an `agent.stt.SpeechToText`, an `agent.tts.TextToSpeech` (one for each call), an
    `agent.llm.DistantModel` (one for all calls), or a function from an `agent.realtime.Brief` to an
    `agent.realtime.RealtimeModel`."""
    section: str = ""
    """The table of its options; empty: `name`."""
    title: str = ""
    """The vendor's name in sentences; empty: `name`."""
    family: str = ""
    """The name under which its prices stand, if it is another provider's."""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Names in the environment, and the options that they fill in."""
    required: tuple[str, ...] = ("api_key",)
    """The options without which it cannot be used."""
    host: str = ""
    """The vendor's host, if others have servers of the same kind: those may need no key and know other models."""
    package: str = ""
    """The package that it needs and a plain installation of sipgw lacks."""
    install: str = ""
    """The name that pip installs for it; empty: `package`."""
    keyless: bool = False
    """Whether servers elsewhere than on `host` are used without a key."""
    auto: int = 0
    """Its place in the order in which ``auto`` takes what can be used; 0: it must be named."""
    embedded: str = ""
    """Its work without a vendor, such as "hearing with the embedded Whisper tiny.en"; empty: it is a service."""
    languages: Callable[[Any], Collection[str] | None] = lambda _: None
    """The ISO 639-1 codes that it knows with these options, at least of those that an agent may speak
    (`agent.call_languages.NAMES`); None: it is not known."""
    voices: Mapping[str, str] = field(default_factory=dict, hash=False)
    """A voice for each ISO 639-1 code, for `voice_key`, where the default voice does not speak all languages."""
    voice_key: str = "voice_id"
    """The option that names the voice."""
    language_key: str = "language"
    """A voice's option that takes an ISO 639-1 code; empty: none does."""
    takes_keyterms: Callable[[Any], bool] = lambda _: True
    """STT and realtime: whether it listens for the key terms of the agent with these options."""
    redacts: Callable[[Any], Mapping[str, str]] = lambda _: {}
    """The kinds of ``[privacy] redact`` that it takes out itself, each with its own word in the option `redact`."""
    word_times: Callable[[Any], bool] = lambda _: False
    """Whether it tells with these options where each word stands in the sound."""
    ends_turns: Callable[[Any], bool] = lambda _: False
    """Speech to text: whether it decides with these options when a turn is over."""
    units: tuple[Unit, ...] = ()
    """The units that it charges for beside those of every provider of its part."""
    further: Callable[[Any], Mapping[str, tuple[Unit, ...]]] = lambda _: {}
    """Further products with these options and what they charge for, such as a model that only transcribes."""
    prices: tuple[Price, ...] = ()
    models: tuple[Model, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Former keys of its table: the key that says it now and, after a comma, its unit."""
    load: Callable[[Any], object] = lambda _: None
    """Imports the packages that it needs with these options, before the first call and in a thread. Raises
    `ImportError`."""

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
        """The names in the environment without which it cannot be used, in words."""
        names = [name for name, key in self.variables.items() if key in self.required]
        return " and ".join(names) or f"a key of [{self.section}]"

    @property
    def lacking(self) -> str:
        """The requirement that pip has to install before it can be used; empty for none."""
        try:
            found = not self.package or find_spec(self.package)
        except ModuleNotFoundError:  # of the package that it is a part of
            found = None
        return "" if found else self.install or self.package

    def usable(self, options: Any) -> bool:
        """Whether all is given that it needs."""
        if self.keyless and self.elsewhere(options):
            return True
        return bool(self.embedded) or all(getattr(options, key) for key in self.required)

    def elsewhere(self, options: Any) -> bool:
        """Whether the options name a server that is not the vendor's."""
        return bool(self.host) and self.host not in options.url

    def product(self, options: Any) -> str:
        """The product that is paid for, as ``"openai/gpt-4.1-mini"``. Options whose `model` is not what is paid for
        have a property `product`."""
        model = getattr(options, "product", "") or getattr(options, "model", "")
        return f"{self.family}/{model}" if model else self.family

    def having(self, options: Any, **values: Any) -> Any:
        """`options` with those of `values` that they have."""
        taken = {one.name for one in fields(self.options)}
        return replace(options, **{name: value for name, value in values.items() if name in taken})


def imported(*names: str) -> None:
    """Import these modules, for `Provider.load`."""
    for name in names:
        import_module(name)
