"""The agent that speaks in a call, and its language. Both may change during the call; the history stays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Generic, TypeVar

from agent.call_languages import NAMES, CallLanguages
from agent.collect import COLLECT
from agent.consent import Judge
from agent.forms.fields import FormSetting
from agent.knowledge import LOOK_UP
from agent.llm import LanguageModel
from agent.passages import Find, nothing
from agent.persona import Persona
from agent.records import HandedOver, LanguageChanged, Report
from agent.reply import HANG_UP, TRANSFER, Agent
from agent.stt import Transcript
from agent.tools import Tool, ToolError, tool
from agent.tts import TextToSpeech

BUILT_IN = frozenset(
    {
        *(HANG_UP, TRANSFER, LOOK_UP, COLLECT, "collect_digits", "expect", "wait", "switch_language", "hand_over"),
        *("press_keys", "keep_waiting", "emergency"),
    }
)
"""Names of the conversation's own tools; no tool of an agent may have one of these names."""
MOST = 5
"""Hand-overs in one call."""


@dataclass(frozen=True, kw_only=True)
class AgentRole:
    """The settings of one agent, as a call needs them."""

    persona: Persona
    name: str = "agent"
    tools: Sequence[Tool] = ()
    languages: tuple[str, ...] = ("en",)
    """Languages that the agent speaks; it begins in the first."""
    keyterms: tuple[str, ...] = ()
    """Words that the callers of the agent are likely to say."""
    colleagues: Mapping[str, str] = field(default_factory=dict)
    """The agents to which this one may hand the call over, with a description of what each does."""
    collects: bool = False
    """Whether it may ask the caller to press digits on the keypad."""
    paces: bool = False
    """Whether the agent may announce which answer it expects, and that it waits for the caller."""
    form: FormSetting = field(default_factory=FormSetting)
    """Settings by which the form fields of the agent's tools are read."""
    judge: Judge | None = None
    """Model that judges whether the caller has agreed, for a conversation without a language model of its own. With
    None only a plain yes counts."""
    find: Find = nothing
    """Finds passages in the agent's documents."""


@dataclass(frozen=True, kw_only=True)
class CascadeRole(AgentRole):
    """An agent with an LLM and a TTS."""

    llm: LanguageModel
    tts: Callable[[str], TextToSpeech]
    """Makes the agent's voice for a language (ISO 639-1)."""


R = TypeVar("R", bound=AgentRole)


class ActiveAgent(Generic[R]):
    """The agent that speaks in a call, its language, and the change to another agent or language."""

    def __init__(self, role: R, find_agent: Callable[[str], R] | None, report: Callable[[Report], None]) -> None:
        """`find_agent` returns the role of the agent with that name; None: no other agent can take over."""
        self.role = role
        self.languages = CallLanguages(role.languages)
        self.persona = role.persona.speaking(self.languages.now)
        self._find_agent = find_agent
        self._report = report
        self._common: Sequence[Tool] = ()
        self._collect: Tool | None = None
        self._pacing: Sequence[Tool] = ()
        self.look_up: Callable[[Find], Tool] | None = None
        """Makes the tool that searches the agent's documents. None: the conversation searches them itself, without a
        tool."""
        self._agent: Agent | None = None
        self._changed: Callable[[], None] = lambda: None
        self._handed: list[int] = []
        """For each hand-over the number of the caller's turn in which it happened."""

    def enter(
        self, agent: Agent, common: Sequence[Tool], collect: Tool, pacing: Sequence[Tool], changed: Callable[[], None]
    ) -> None:
        """Begin with the first role: give `agent` its prompt, sentences and tools.

        `common` tools are for every role; `collect` and `pacing` only for roles that may use them. `changed` is called
        for this role and language, and each time that one of them changes.
        """
        self._agent, self._common, self._collect, self._changed = agent, common, collect, changed
        self._pacing = pacing
        self._perform()

    def give(self, tools: Sequence[Tool]) -> None:
        """Give further tools to every role."""
        self._common = (*self._common, *tools)
        self._perform()

    def note_transcript(self, transcript: Transcript) -> None:
        """Take what the caller said: it may tell their language."""
        if self.languages.note_transcript(transcript):
            self._speak("detected")

    def switch_language(self, code: str) -> bool:
        """Speak the language of that code (ISO 639-1), which was asked for; returns whether it is known."""
        before = self.languages.now
        if not self.languages.ask(code):
            return False
        if self.languages.now != before:
            self._speak("asked for")
        return True

    def _speak(self, why: str) -> None:
        self._report(LanguageChanged(self.languages.now, why))
        self._perform()

    def _perform(self) -> None:
        """Give the agent the prompt, sentences and tools of the present role and language."""
        agent, role = self._agent, self.role
        if agent is None:
            return
        self.persona = role.persona.speaking(self.languages.now)
        agent.filler = self.persona.filler
        agent.toolbox.offer([*role.tools, *self._common, *self._own_tools()])
        spoken = tuple(dict.fromkeys((self.languages.now, *self.languages.known)))
        agent.toolbox.collector.setting = replace(role.form, languages=spoken)
        agent.history.prompt, agent.history.manner = role.persona.prompt, self.languages.manner
        self._changed()

    def _own_tools(self) -> list[Tool]:
        tools = [self._emergency()] if self.persona.emergency else []
        tools += [self._collect] if self._collect is not None and self.role.collects else ()
        tools += self._pacing if self.role.paces else ()
        if self.look_up is not None and self.role.find is not nothing:
            tools.append(self.look_up(self.role.find))
        if len(self.languages.known) > 1:
            tools.append(self._switch_language())
        if self._find_agent is not None and self.role.colleagues:
            tools.append(self._hand_over())
        return tools

    def _emergency(self) -> Tool:
        @tool(repeatable=True)
        async def emergency() -> dict[str, str]:
            """The caller needs or asks for an ambulance, the police or the fire brigade. Call it at once, ask nothing
            before, then say the sentence that it returns and promise nothing else."""
            return {"status": "no emergency call can be made from here", "say": self.persona.emergency}

        return emergency

    def _switch_language(self) -> Tool:
        known = ", ".join(f"{code} ({NAMES[code]})" for code in self.languages.known)

        @tool(side_effect=True, repeatable=True)
        async def switch_language(language: Annotated[str, f"One of: {known}"]) -> dict[str, str]:
            """Speak another language, when the caller asks for it. Say nothing before; go on in that language."""
            if not self.switch_language(language.strip().lower()):
                raise ToolError(f"you only speak {known}")
            return {"status": f"you are speaking {NAMES[self.languages.now]} now"}

        return switch_language

    def _hand_over(self) -> Tool:
        known = "; ".join(f"{name}: {about}" if about else name for name, about in self.role.colleagues.items())

        @tool(side_effect=True, repeatable=True)
        async def hand_over(
            to: Annotated[str, f"Whom, by name. There are: {known}"],
            reason: Annotated[str, "What the caller wants, in one sentence, for your colleague."] = "",
        ) -> dict[str, str]:
            """Let another agent go on with the caller, who is better at what they want. It knows all that was said."""
            return self._take_over(to.strip().lower(), reason)

        return hand_over

    def _take_over(self, name: str, reason: str) -> dict[str, str]:
        agent, before = self._agent, self.role
        if agent is None or self._find_agent is None or name not in before.colleagues:
            raise ToolError(f"you cannot hand over to that; there are: {', '.join(before.colleagues)}")
        turn = agent.history.turns
        if turn in self._handed or len(self._handed) >= MOST:
            raise ToolError("the call has just been handed over, or too often; help the caller yourself")
        self._handed.append(turn)
        self.role = self._find_agent(name)
        agent.history.forget_found(LOOK_UP)
        self.languages.learn(self.role.languages)
        self._report(HandedOver(name, before.name, reason))
        self._perform()
        agent.opening = self.persona.opening
        told = f"You are {name} now and have taken the call over from {before.name}. Go on with the caller at once."
        if agent.opening:
            told += f' You are just saying "{agent.opening}"; go on after that.'
        return {"status": told, "reason": reason}
