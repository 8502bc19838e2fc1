"""Options of an agent: greeting, prompt, providers, languages, routes to it, and the lookup at the start of a call."""

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, get_args

from annotated_types import Len, MaxLen

from agent.phrases import PHRASES
from agent.providers.extra import FIXED
from agent.records import Part
from agent.relay.call import check_url
from agent.rules.rule_error import RuleError
from agent.stock import STOCK
from sipgw.config.options import about
from sipgw.config.registry import providers
from sipgw.sip.identity import Verdict

if TYPE_CHECKING:
    SttName: TypeAlias = str
    LlmName: TypeAlias = str
    TtsName: TypeAlias = str
    RealtimeName: TypeAlias = str
    SttChoice: TypeAlias = str
    LlmChoice: TypeAlias = str
    TtsChoice: TypeAlias = str
    RealtimeChoice: TypeAlias = str
else:  # the registered names, which errors and the reference list
    SttName, LlmName, TtsName, RealtimeName = (Literal[tuple(providers(part))] for part in get_args(Part))
    SttChoice, LlmChoice, TtsChoice = (Literal["auto", names] for names in (SttName, LlmName, TtsName))
    RealtimeChoice = Literal["", RealtimeName]

Sentence = Literal[
    "filler", "reprompt", "again", "hardly", "goodbye", "goodbye_silence", "goodbye_overtime", "apology", "connecting",
    "not_connected", "not_done", "emergency",
]  # fmt: skip


@dataclass(frozen=True)
class LanguageOptions:
    """A language that an agent speaks. The agent begins a call in the first one of the list."""

    code: str
    """ISO 639-1: en, es, fr, de, hi, pt or it."""
    voice_id: str = ""
    """The voice for this language, by the provider's name. Empty: the agent's own voice, which must then speak the
    language."""
    tts: str = ""
    """The provider of the voice, such as ``cartesia``; empty: the agent's own provider."""
    sentences: dict[Sentence, str] = field(default_factory=dict, hash=False)
    """Sentences that replace the stock sentences of the language. `filler`: a tool takes long. `reprompt`: the agent
    asks whether somebody is there. `again`: the agent asks the caller to repeat. `hardly`: the caller can hardly be
    heard. `goodbye`: the model hangs up without a word. `goodbye_silence`: nobody speaks. `goodbye_overtime`: the call
    has lasted long enough, or cost enough. `apology`: a provider fails. `connecting`: follows it if the caller can be
    transferred to somebody. `not_connected`: a transfer failed. `not_done`: the action of a key failed. `emergency`: a
    caller needs an ambulance, the police or the fire brigade, and the agent cannot call them; ``{{emergency_number}}``
    is the number of the caller's country, if it is known."""

    def __post_init__(self) -> None:
        if self.code not in PHRASES:
            raise RuleError(f"{self.code!r} is not one of {', '.join(sorted(PHRASES))}", "code")

    @property
    def said(self) -> dict[str, str]:
        """All sentences of the language: those of `sentences`, and the stock sentences for the others."""
        return {**STOCK[self.code], **{name: text for name, text in self.sentences.items() if text}}

    def voices(self, chosen: Sequence[str]) -> tuple[str, ...]:
        """The providers of the voice for this language, in their order; `chosen` are the agent's own."""
        return tuple(dict.fromkeys((self.tts, *chosen) if self.tts else chosen))


@dataclass(frozen=True)
class PrefetchOptions:
    """A tool that runs at the start of a call with the number of the other side. The prompt gets its result."""

    tool: str = ""
    """Name of the tool, in the file of tools or on an MCP server. Choose a tool that changes nothing. Empty: no tool
    runs."""
    argument: str = "number"
    """The tool's parameter that takes the number, as in ``+15551234567``."""
    limit: float = field(default=3.0, metadata=FIXED)
    """Seconds after which the call goes on without the result."""
    verified: bool = False
    """Whether the tool runs only for numbers that the carrier has verified. Other numbers can be forged."""


@dataclass(frozen=True)
class AgentOptions:
    """The agent that answers, and its providers."""

    business: str = "Acme Store"
    """The name that the agent answers with."""
    greeting: str = ""
    """First sentence of a call that comes in; empty: a sentence with the name `business`."""
    outbound_greeting: str = ""
    """First sentence of a call that the agent makes; empty: a sentence with the name `business`, and with ``{{topic}}``
    in a callback."""
    answering_machines: Literal["hang_up", "message", "ignore"] = "hang_up"
    """The reaction of the agent to an answering machine. `hang_up`: it ends the call; `message`: it waits for the beep
    and says `voicemail`; `ignore`: it talks as with a person. The agent says its greeting at once in any case."""
    voicemail: str = ""
    """The message after the beep; empty: a sentence with the name `business`."""
    screening: str = ""
    """The answer to a call screen when its prompt is over: who calls and why, in one sentence. Then the agent waits
    for the person. Empty: `outbound_greeting`, or a sentence with the name `business` and with ``{{topic}}``."""
    variables: tuple[str, ...] = ()
    """Names of values of outgoing calls (``--var name=Ann``, columns of a campaign), for ``{{name}}`` in prompt and
    greeting. In calls that come in, the values are empty."""
    notice: str = ""
    """A sentence before the greeting, which callers cannot interrupt: "This call is recorded." """
    prompt: str = ""
    """System prompt; empty: the prompt of the built-in order desk."""
    stt: SttChoice = "auto"
    """Speech to text. `auto`: the first of these providers that has a key, otherwise the embedded models."""
    llm: LlmChoice = "auto"
    """Language model. `auto`: OpenAI if it has a key, otherwise the embedded demo model."""
    tts: TtsChoice = "auto"
    """Text to speech. `auto`: the first of the first three providers that has a key, otherwise the embedded voice."""
    brain: str = ""
    """Address (``wss://…``) of your own server that replaces `llm`. The server uses the messages of ConversationRelay
    (of Twilio and Telnyx), and has its own prompt and tools. ``ws://…`` is allowed only for a local host. Empty:
    none."""
    brain_key: str = field(default="", repr=False)
    """Key, such as Twilio's auth token, that signs the request to `brain` (``X-Twilio-Signature``). Empty: unsigned."""
    brain_parameters: dict[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Values that `brain` gets as ``customParameters``. Values of the call replace ``{{name}}``, as in `prompt`."""
    brain_partials: bool = False
    """Whether `brain` also gets the caller's words before they are final (``last: false``)."""
    realtime: RealtimeChoice = ""
    """Speech to speech: one provider replaces `stt`, `llm` and `tts` in the conversation. These three are then used
    only to brief people before a transfer, and to leave messages on answering machines. Empty: no such provider."""
    realtime_backup: tuple[RealtimeName, ...] = ()
    """Providers that replace `realtime` when it fails, in this order."""
    stt_backup: tuple[SttName, ...] = ()
    """Providers that replace `stt` when it fails, in this order."""
    llm_backup: tuple[LlmName, ...] = ()
    """Providers that replace `llm` when it fails, in this order."""
    tts_backup: tuple[TtsName, ...] = ()
    """Providers that replace `tts` when it fails, in this order."""
    keyterms: Annotated[tuple[Annotated[str, Len(1, 50)], ...], MaxLen(100)] = ()
    """Words that the STT listens for, such as names of products; Cartesia takes 1200 characters together. The embedded
    STT, Deepgram's models before Nova-3, and OpenAI Realtime ignore them."""
    tools: str = ""
    """Python file with functions marked ``@tool``, next to the configuration; empty: no file."""
    collect_digits: bool = False
    """Whether the agent may ask callers to enter numbers on the keys of the telephone. Card numbers and PINs stay
    secret."""
    expect_answers: bool = True
    """Whether the model may report which kind of answer its question asks for, and that it waits for the caller. Then
    the agent does not interrupt a caller who dictates a number or an address. Not for embedded models and speech to
    speech."""
    about: str = ""
    """The task of this agent in a few words, for other agents that may hand calls over to it."""
    hand_over: tuple[str, ...] = ()
    """Names of the agents to which it may hand a call over, with everything that was said; empty: none."""
    ambience: str = ""
    """A background sound, such as an office, that callers hear during the whole conversation, in a loop. A mono 8 kHz
    mu-law WAV file of at most 130 s. The recording, the recogniser, and people to whom callers are transferred do not
    get it. Empty: no sound."""
    thinking_sound: str = ""
    """A sound, such as typing, that callers hear while the agent or a tool takes long: a file like that of `ambience`.
    Not with `realtime`."""
    thinking_after: float = field(default=1.0, metadata=FIXED)
    """Seconds of silence after which `thinking_sound` begins, at least 0.5. It ends with the first sound of the
    agent."""
    ambience_level: float = -45.0
    """The average level of `ambience` and `thinking_sound`, in dBm0, from -70 to -25. An agent speaks at about -20."""
    opening: str = ""
    """First sentence after another agent has handed a call over to this one; empty: the agent goes on without such a
    sentence."""

    def __post_init__(self) -> None:
        if self.brain:
            self._check_brain()
        if not -70 <= self.ambience_level <= -25:
            raise RuleError("must be from -70 to -25 dBm0", "ambience_level")

    @property
    def brain_host(self) -> str:
        """The host name of `brain`, which is no secret; empty without `brain`."""
        return urllib.parse.urlsplit(self.brain).hostname or ""

    def _check_brain(self) -> None:
        with about("brain"):
            check_url(self.brain)
        for name in ("realtime", "hand_over", "collect_digits"):
            if getattr(self, name):
                raise RuleError(
                    f"brain goes not with {name}, which the messages of ConversationRelay do not have", "brain", name
                )


@dataclass(frozen=True)
class RouteOptions:
    """A rule for which calls an agent answers: calls that fit every key of the route."""

    agent: str
    """Name of the agent: the name of its file in `agents/`; ``agent`` is the agent of ``sipgw.toml``."""
    called: tuple[str, ...] = ()
    """Dialled numbers; ``*`` stands for any digits, as in ``+1555*``."""
    trunk: str = ""
    """Name of the trunk on which the call comes in."""
    header: str = ""
    """A header that the INVITE must have, with its value: ``X-Department: sales``."""
    verdicts: tuple[Verdict, ...] = ()
    """Verdicts on the caller's number, one of which must be true; empty: all calls. `verified` comes from our check of
    the signature, or from the carrier's `verstat`. `passed`, `failed`, `unverified` and `unsigned` come only from our
    check."""
