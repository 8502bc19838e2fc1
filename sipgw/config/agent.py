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
    """A language that an agent speaks; it begins in the first."""

    code: str
    """ISO 639-1: en, es, fr, de, hi, pt or it."""
    voice_id: str = ""
    """The voice for it, by its provider's name; empty: the agent's own, which must then speak the language."""
    tts: str = ""
    """Another provider for the voice, such as ``cartesia``; empty for the agent's own."""
    sentences: dict[Sentence, str] = field(default_factory=dict, hash=False)
    """Sentences that replace the stock sentences of the language. `filler`: a tool takes long. `reprompt`: the agent
    asks whether somebody is there. `again`: the agent asks the caller to repeat. `hardly`: the caller can hardly be
    heard. `goodbye`: the model hangs up without a word. `goodbye_silence`: nobody speaks. `goodbye_overtime`: the call
    has lasted long enough, or cost enough. `apology`: a provider fails; `connecting`: then there is somebody to
    transfer the caller to. `not_connected`: a transfer failed. `not_done`: the action of a key failed. `emergency`: a
    caller needs an ambulance, the police or the fire brigade, and the agent cannot call them;
    ``{{emergency_number}}`` is the number of the caller's country, if it is known."""

    def __post_init__(self) -> None:
        if self.code not in PHRASES:
            raise RuleError(f"{self.code!r} is not one of {', '.join(sorted(PHRASES))}", "code")

    @property
    def said(self) -> dict[str, str]:
        """The stock sentences, as far as they are not changed here."""
        return {**STOCK[self.code], **{name: text for name, text in self.sentences.items() if text}}

    def voices(self, chosen: Sequence[str]) -> tuple[str, ...]:
        """The providers of its voice in order, where the agent's are `chosen`."""
        return tuple(dict.fromkeys((self.tts, *chosen) if self.tts else chosen))


@dataclass(frozen=True)
class PrefetchOptions:
    """The tool that runs with the number of the other side; the prompt gets its result."""

    tool: str = ""
    """Its name, in the file of tools or on an MCP server; not a tool that changes something. Empty: none."""
    argument: str = "number"
    """The tool's parameter that takes the number, as in ``+15551234567``."""
    limit: float = field(default=3.0, metadata=FIXED)
    """Seconds after which the call goes on without it."""
    verified: bool = False
    """Whether it runs only for numbers that the carrier has verified. Other numbers can be forged."""


@dataclass(frozen=True)
class AgentOptions:
    """The agent that answers, and its providers."""

    business: str = "Acme Store"
    """The name that the agent answers with."""
    greeting: str = ""
    """First sentence; empty for one made of `business`."""
    outbound_greeting: str = ""
    """First sentence of a call that the agent makes; empty for one made of `business`, and of ``{{topic}}`` in a call
    back."""
    answering_machines: Literal["hang_up", "message", "ignore"] = "hang_up"
    """The reaction of the agent to a machine that answers its call: `message` waits for the beep and says
    `voicemail`; `ignore` talks on as with a human. It greets at once in any case."""
    voicemail: str = ""
    """The message after the beep; empty: a sentence made of `business`."""
    screening: str = ""
    """The answer to a call screen when its prompt is over: who calls and why, in one sentence. Then the agent waits
    for the person. Empty: `outbound_greeting`, or a sentence made of `business` and of ``{{topic}}``."""
    variables: tuple[str, ...] = ()
    """Names of values of outgoing calls (``--var name=Ann``, columns of a campaign), for ``{{name}}`` in prompt and
    greeting. In calls that come in they are empty."""
    notice: str = ""
    """Said before the greeting, and not to be interrupted: "This call is recorded." """
    prompt: str = ""
    """System prompt; empty for the one of the order desk."""
    stt: SttChoice = "auto"
    """Speech to text; `auto` is the first of these with a key, otherwise the embedded models."""
    llm: LlmChoice = "auto"
    """Language model; `auto` is OpenAI if there is a key, otherwise the embedded demo model."""
    tts: TtsChoice = "auto"
    """Text to speech; `auto` is the first of the first three with a key, otherwise the embedded voice."""
    brain: str = ""
    """Address (``wss://…``) of your own server that replaces `llm`. It uses the messages of ConversationRelay (Twilio's
    and Telnyx's), and has its own `prompt` and `tools`. ``ws://…`` is allowed only for a local host. Empty: none."""
    brain_key: str = field(default="", repr=False)
    """Key, such as Twilio's auth token, that signs the request to `brain` (``X-Twilio-Signature``). Empty: unsigned."""
    brain_parameters: dict[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Values that `brain` gets as ``customParameters``. Values of the call replace ``{{name}}``, as in `prompt`."""
    brain_partials: bool = False
    """Whether `brain` also gets the caller's words before they are final (``last: false``)."""
    realtime: RealtimeChoice = ""
    """Speech to speech: one provider replaces `stt`, `llm` and `tts` in the conversation. These three then only
    brief colleagues and leave messages on answering machines. Empty: none."""
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
    STT, Deepgram before Nova-3 and OpenAI Realtime do not listen for them."""
    tools: str = ""
    """Python file with functions marked ``@tool``, next to the configuration; empty for none."""
    collect_digits: bool = False
    """Whether the agent may have callers key in numbers, in secret if they are cards or PINs."""
    expect_answers: bool = True
    """Whether the model may report which kind of answer its question asks for, and that it waits for the caller. The
    gateway then does not cut off numbers and addresses. Not for embedded models and speech to speech."""
    about: str = ""
    """The task of this agent in a few words, for other agents that may hand calls over to it."""
    hand_over: tuple[str, ...] = ()
    """Names of the agents to which it may hand a call over, with everything that was said; empty: none."""
    ambience: str = ""
    """A sound that callers hear under the agent and while it is silent, in a loop, such as an office. A mono 8 kHz
    mu-law WAV file of at most 130 s. It is neither recorded nor heard by the recogniser; people to whom callers are
    transferred are without it. Empty: none."""
    thinking_sound: str = ""
    """The same for the sound that callers hear while the agent or a tool takes long, such as typing. Not with
    `realtime`."""
    thinking_after: float = field(default=1.0, metadata=FIXED)
    """Seconds of silence after which it begins, from 0.5; it ends with the first sound of the agent."""
    ambience_level: float = -45.0
    """How loud both are on the average, in dBm0, from -70 to -25; an agent speaks at about -20."""
    opening: str = ""
    """Said when another agent has handed a call over to this one; empty: it continues without such a sentence."""

    def __post_init__(self) -> None:
        if self.brain:
            self._check_brain()
        if not -70 <= self.ambience_level <= -25:
            raise RuleError("must be from -70 to -25 dBm0", "ambience_level")

    @property
    def brain_host(self) -> str:
        """The host of `brain`, which is no secret; empty for none."""
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
    """Which calls an agent of `agents/` answers: those that fit everything that is given."""

    agent: str
    """Its name, which is that of its file; ``agent`` is the one of this file."""
    called: tuple[str, ...] = ()
    """Dialled numbers; ``*`` stands for any digits, as in ``+1555*``."""
    trunk: str = ""
    """Name of the trunk."""
    header: str = ""
    """A header of the INVITE and its value: ``X-Department: sales``."""
    verdicts: tuple[Verdict, ...] = ()
    """Verdicts on the caller's number, one of which must hold: `verified` (by our check of its signature, or by the
    carrier's `verstat`), `passed`, `failed`, `unverified` or `unsigned` (our check alone); empty: all."""
