"""Options of an agent: greeting, prompt, providers, languages, routes to it, and the lookup at the start of a call."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Gt, Len, MaxLen

from agent.phrases import PHRASES
from agent.stock import STOCK

SttName = Literal["assemblyai", "deepgram", "cartesia", "local"]
LlmName = Literal["openai", "openai_backup", "local"]
TtsName = Literal["elevenlabs", "cartesia", "deepgram", "assemblyai", "openai", "polly", "local"]
RealtimeName = Literal["assemblyai", "openai"]

Sentence = Literal[
    "filler", "reprompt", "again", "hardly", "goodbye", "goodbye_silence", "goodbye_overtime", "apology", "connecting",
    "not_connected", "not_done",
]  # fmt: skip


@dataclass(frozen=True)
class LanguageOptions:
    """A language that an agent speaks; it begins in the first."""

    code: str
    """ISO 639-1: en, es, fr, de, hi, pt or it."""
    voice_id: str = ""
    """The voice for it, as its provider calls it; empty for the agent's own, which then has to know the language."""
    tts: str = ""
    """Another provider for the voice, such as ``cartesia``; empty for the agent's own."""
    sentences: dict[Sentence, str] = field(default_factory=dict, hash=False)
    """What it says by itself, where the stock sentence of the language will not do: `filler` (a tool takes long),
    `reprompt` (is somebody there?), `again` (please say it once more), `hardly` (the caller can hardly be heard),
    `goodbye` (the model hangs up without a word), `goodbye_silence` (nobody speaks), `goodbye_overtime` (the call has
    lasted long enough), `apology` (a provider fails), `connecting` (then there is somebody to transfer the caller
    to), `not_connected` (a transfer failed), `not_done` (what a key stands for failed)."""

    def __post_init__(self) -> None:
        if self.code not in PHRASES:
            raise ValueError(f"code: {self.code!r} is not one of {', '.join(sorted(PHRASES))}")

    @property
    def said(self) -> dict[str, str]:
        """The stock sentences, as far as they are not changed here."""
        return {**STOCK[self.code], **{name: text for name, text in self.sentences.items() if text}}


@dataclass(frozen=True)
class PrefetchOptions:
    """The tool that is run with the number of the other side; its result stands in the prompt."""

    tool: str = ""
    """Its name: of the file of tools or of an MCP server, and not one that changes something. Empty: none."""
    argument: str = "number"
    """The tool's parameter that takes the number, as in ``+15551234567``."""
    limit: Annotated[float, Gt(0)] = 3.0
    """Seconds after which the call goes on without it."""
    verified: bool = False
    """Whether it is done only for numbers that the telephone company vouches for: others can be forged."""


@dataclass(frozen=True)
class AgentOptions:
    """Who answers, and with which providers."""

    business: str = "Acme Store"
    """The name that the agent answers with."""
    greeting: str = ""
    """First sentence; empty for one made of `business`."""
    outbound_greeting: str = ""
    """First sentence of a call that the agent makes; empty for one made of `business`, and of {{topic}} in a call back.
    """
    answering_machines: Literal["hang_up", "message", "ignore"] = "hang_up"
    """What the agent does when a call that it makes is answered by a machine: `message` waits for the beep and says
    `voicemail`; `ignore` talks on as with a human. It greets at once in any case."""
    voicemail: str = ""
    """What is left after the beep; empty for a sentence made of `business`."""
    variables: tuple[str, ...] = ()
    """Names of the values that whoever places a call out gives along (``--var name=Ann``, columns of a campaign), for
    ``{{name}}`` in prompt and greeting. In calls that come in they are empty."""
    notice: str = ""
    """Said before the greeting, and not to be interrupted: "This call is recorded." """
    prompt: str = ""
    """System prompt; empty for the one of the order desk."""
    stt: Literal["auto", SttName] = "auto"
    """Speech to text; `auto` is the first of these that there is a key for, otherwise the embedded models."""
    llm: Literal["auto", LlmName] = "auto"
    """Language model; `auto` is OpenAI if there is a key, otherwise the embedded demo brain."""
    tts: Literal["auto", TtsName] = "auto"
    """Text to speech; `auto` is the first of the first three that there is a key for, otherwise the embedded voice."""
    realtime: Literal["", RealtimeName] = ""
    """Speech to speech: one provider that hears, thinks and speaks, in the place of `stt`, `llm` and `tts`. These
    then only brief colleagues and leave messages on answering machines."""
    realtime_backup: tuple[RealtimeName, ...] = ()
    """Who goes on when `realtime` fails, in this order."""
    stt_backup: tuple[SttName, ...] = ()
    """Who goes on hearing when `stt` fail, in this order."""
    llm_backup: tuple[LlmName, ...] = ()
    """Who goes on thinking when `llm` fails, in this order."""
    tts_backup: tuple[TtsName, ...] = ()
    """Who goes on speaking when `tts` fails, in this order."""
    keyterms: Annotated[tuple[Annotated[str, Len(1, 50)], ...], MaxLen(100)] = ()
    """Words that the STT listens for, such as names of products; Cartesia takes 1200 characters together. The embedded
    STT, Deepgram before Nova-3 and OpenAI Realtime do not listen for them."""
    tools: str = ""
    """Python file with functions marked ``@tool``, next to the configuration; empty for none."""
    apology: str = ""
    """Said when a provider fails; empty for a sentence in the caller's language."""
    collect_digits: bool = False
    """Whether the agent may have callers key in numbers, in secret if they are cards or PINs."""
    expect_answers: bool = True
    """Whether the model may tell with a question what it has asked for, and that it waits for the caller: numbers and
    addresses are then not cut off. Not for embedded models and speech to speech."""
    about: str = ""
    """What this agent is there for, in a few words; other agents that may hand calls over to it are told."""
    hand_over: tuple[str, ...] = ()
    """Names of the agents that it may hand a call over to, with all that was said; empty: none."""
    ambience: str = ""
    """What callers hear under the agent and while it is silent, in a loop: a mono 8 kHz mu-law WAV file of at most 130
    s, such as an office. It is neither recorded nor heard by the recogniser; people to whom callers are transferred
    are without it. Empty: none."""
    thinking_sound: str = ""
    """The same for what callers hear while the agent or a tool takes long, such as typing. Not with `realtime`."""
    thinking_after: float = 1.0
    """Seconds of silence after which it begins, from 0.5; it ends with the first sound of the agent."""
    ambience_level: float = -45.0
    """How loud both are on the average, in dBm0, from -70 to -25; an agent speaks at about -20."""
    opening: str = ""
    """Said when another agent has handed a call over to this one; empty: it goes on without a word about that."""

    def __post_init__(self) -> None:
        if not -70 <= self.ambience_level <= -25:
            raise ValueError("ambience_level must be from -70 to -25 dBm0")
        if not 0.5 <= self.thinking_after <= 10:
            raise ValueError("thinking_after must be from 0.5 to 10 s")


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
