"""The dialogue about the tools of the agent's owner: one tool at a time, its parameters asked for one by one."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from enum import Enum
from typing import Any

from agent.consent import names_one, plain_answer
from agent.phrases import phrases_of
from agent.providers.local.brain import results
from agent.providers.local.brain.filling import Arguments, answered, volunteered
from agent.providers.local.brain.guess import OUT_OF_SCOPE, UNCLEAR, Guess
from agent.providers.local.brain.intents import SMALL_TALK
from agent.providers.local.brain.numbers import separated
from agent.providers.local.brain.parameters import Form, OwnTool, Parameter, listed, words_in
from agent.providers.local.brain.phrases import QUESTIONS, Ask, PlannedCall, ScriptedReply
from agent.providers.local.brain.slots import Slots
from agent.providers.local.brain.tool_choice import PLAIN, POSSIBLE, SURE, Match
from agent.providers.local.brain.utterance import FUNCTION
from agent.turn_taking.expect import Expected, Kind

PATIENCE = 2
"""Number of answers to one question that are not understood, or of failed runs, before a person is offered."""
SHORT = 4
"""Maximum words of an answer to an offer that is neither yes nor no, and that counts as the name of another thing."""
NAMED = 5
"""Maximum abilities that are named in one sentence."""
_LEAVING = frozenset({"goodbye", "never_mind", "human"})
_LEFT = 0.7
"""Likeness from which on words that could be an answer are a new wish."""
_SOCIAL = frozenset({"greeting", "thanks", "wait", "repeat", "who", "help", "goodbye", "never_mind", "human"})
_EXPECTED = {Form.DIGITS: Kind.DIGITS, Form.EMAIL: Kind.EMAIL, Form.DATE: Kind.DATE, Form.YES_NO: Kind.YES_NO}
_WORDS = phrases_of(("en",))
_SMALL_TALK_WORDS = 3
"""Minimum words of an utterance in which a tool counts more than small talk: "How do you say good morning in
French?"."""
_REQUEST = re.compile(
    r"(?:(?:no|yes|ok|okay|well|actually|sorry|oh)[\s,]+)*(?:please|can|could|would|will|do|does|is|are|what|where|when|which|"
    r"how|i(?:'d| would) like|i (?:want|need)|instead)\b"
)
"""Beginnings of a new wish, which are no answer to a question."""
NOTHING = OwnTool("", "", ())
"""Stands for no tool: none is being prepared."""
_REFUSED = re.compile(r"^wrong arguments: ([\w.]+)")


class DialogueStage(Enum):
    """The subject of the caller's next words while a tool is being prepared."""

    ASKED = "the parameter that was asked for"
    OFFERED = "the tool with all it needs, which waits for a yes"
    CONFIRMING = "the gateway's demand for a yes, which was read out"
    CALLED = "something new: the tool runs"


class ToolDialogue:
    """Dialogue about the owner's tools in one call.

    Parameters
    ----------
    tools
        The tools.
    best
        The tool that a sentence is most like.
    today
        The day by which "tomorrow" is understood.
    member
        The member of an enumeration that an answer means without naming it; empty for none.
    offer_person
        The reply that offers a person, after an opening.
    """

    def __init__(
        self,
        tools: Sequence[OwnTool],
        best: Callable[[str], Match | None],
        today: date,
        member: Callable[[str, Sequence[str]], str],
        offer_person: Callable[[str], ScriptedReply],
    ) -> None:
        self._tools = {one.name: one for one in tools}
        self._best = best
        self._today = today
        self._member = member
        self._offer_person = offer_person
        self._tool = NOTHING
        self._given: Arguments = {}
        self._asked: Parameter | None = None
        self._stage = DialogueStage.CALLED
        self._misses = 0

    @property
    def busy(self) -> bool:
        """Whether a tool is being prepared, so that the caller's next words may belong to it."""
        return self._tool is not NOTHING

    def knows(self, name: str) -> bool:
        """Whether `name` is the name of an owner's tool."""
        return name in self._tools

    def forget(self) -> None:
        """Stop preparing a tool."""
        self._tool, self._given, self._asked, self._misses = NOTHING, {}, None, 0
        self._stage = DialogueStage.CALLED

    @property
    def abilities(self) -> tuple[str, ...]:
        """The abilities of the tools, each as the words after "I can"."""
        return tuple(one.ability for one in self._tools.values())[:NAMED]

    # What the caller says

    def wish(self, text: str, guess: Guess, *, scripted: bool) -> ScriptedReply | None:
        """The reply if `text` is a wish for one of the tools; None if it is not, or if the script fits better.
        `scripted`: the script has a tool for the intent in `guess`.
        """
        match = self._best(text)
        if match is None or match.score < SURE:
            return None
        chatting = guess.intent in SMALL_TALK and len(text.split()) > _SMALL_TALK_WORDS
        social = guess.intent in _SOCIAL and not chatting and (scripted or guess.intent != "human")
        if social and not (match.score >= PLAIN and match.score >= guess.score):
            return None
        if scripted and match.score < max(guess.score, PLAIN):
            return None
        return self._begin(match.tool, text)

    def _begin(self, tool: OwnTool, text: str) -> ScriptedReply:
        self.forget()
        if tool.unspoken:
            return self._needs(tool)
        self._tool, self._given = tool, volunteered(tool, text, {}, self._today)
        return self._next("Sure.")

    def _needs(self, tool: OwnTool) -> ScriptedReply:
        """The reply to a wish for a tool with a parameter that a caller cannot say: it names this parameter."""
        return self._offer_person(f"To {tool.ability} I need the {tool.unspoken}, in a form that nobody can speak.")

    def step_back(self, text: str, guess: Guess) -> ScriptedReply | None:
        """The reply to words that neither a tool nor the script understands: it names what could be meant. None without
        a suggestion."""
        if not self._tools or (guess.intent == UNCLEAR and len(text.split()) <= 2):
            return None
        match = self._best(text)
        alone = len(self._tools) == 1
        unlike = guess.intent in (OUT_OF_SCOPE, UNCLEAR)
        if match is not None and (match.score >= POSSIBLE or (alone and unlike)):
            self.forget()
            if match.tool.unspoken:
                return self._needs(match.tool)
            self._tool = match.tool
            if match.score >= POSSIBLE:
                self._given = volunteered(match.tool, text, {}, self._today)
            if self._missing() is not None:
                return self._next(f"I can {match.tool.ability}.")
            self._stage = DialogueStage.OFFERED
            return ScriptedReply((f"I can {match.tool.ability}{self._about()}.", "Shall I do that?"), Ask.CONFIRM)
        return None

    def follow(self, text: str, said: Slots, guess: Guess, *, heard: bool) -> ScriptedReply | None:
        """The reply to words while a tool is being prepared. `heard`: the caller has heard the question for a yes. None
        if the words do not belong to the tool: then no tool is being prepared any more, or the same question is still
        open.
        """
        free = self._asked is not None and self._asked.form in (Form.THING, Form.SENTENCE, Form.NAME, Form.PLACE)
        short = len(text.split()) <= 6 or not free
        if guess.intent in _LEAVING and guess.score >= _LEFT and short and said.answer is None:
            self.forget()
            return None
        match = self._best(text)
        if match and match.tool != self._tool and match.score >= PLAIN and _REQUEST.match(said.text):
            return self._begin(match.tool, text)
        if self._stage in (DialogueStage.OFFERED, DialogueStage.CONFIRMING):
            return self._answer_to_offer(text, said, heard=heard)
        if self._stage is DialogueStage.CALLED or self._asked is None:
            self.forget()
            return None
        if guess.intent in ("wait", "repeat") and guess.score >= _LEFT and len(text.split()) <= 4:
            return ScriptedReply(("Sure, take your time.",)) if guess.intent == "wait" else self._ask(self._asked)
        return self._answer(text, self._asked, said)

    def _answer(self, text: str, asked: Parameter, said: Slots) -> ScriptedReply:
        if said.answer is False and asked.form is not Form.YES_NO and len(text.split()) <= 3:
            self.forget()
            return ScriptedReply(("All right.", QUESTIONS[Ask.MORE]), Ask.MORE)
        before = str(self._given.pop(asked.name, ""))
        if asked.form is Form.DIGITS and asked.length and before:
            text = f"{separated(before)} {text}"
        self._given = answered(self._tool, asked, text, self._given, self._today)
        value = self._given.get(asked.name)
        if value is None and (meant := self._member(text, asked.choices)):
            value = self._given[asked.name] = meant
        if value is None:
            self._misses += 1
            if self._misses > PATIENCE:
                self.forget()
                return self._offer_person("I am sorry, I do not understand.")
            return self._next("Sorry, I did not get that.")
        if asked.form is Form.DIGITS and asked.length and len(str(value)) != asked.length:
            if len(str(value)) < asked.length:
                return ScriptedReply((f"{separated(str(value))}, and then?",), expect=self._expected(asked))
            del self._given[asked.name]
            return self._next(f"That is longer than {asked.length} digits.")
        self._misses = 0
        return self._next()

    def _answer_to_offer(self, text: str, said: Slots, *, heard: bool) -> ScriptedReply | None:
        changed = self._given | volunteered(self._tool, text, {}, self._today, asked=self._no_thing())
        if changed != self._given:
            self._given = changed
            return self._next()
        if said.answer is False:
            if self._stage is DialogueStage.OFFERED or not heard:
                self.forget()
                return ScriptedReply(("All right.", QUESTIONS[Ask.MORE]), Ask.MORE)
            return self._change(text)
        confirming = self._stage is DialogueStage.CONFIRMING
        agreed = plain_answer(said.text, _WORDS) is True if confirming else said.answer is True
        if agreed and heard:
            return self._run()
        if confirming or agreed:
            return self._read_back()
        thing = self._no_thing()
        return self._answer(text, thing, said) if thing and len(text.split()) <= SHORT else None

    def _no_thing(self) -> Parameter | None:
        """A parameter that is asked for only formally, so that words without a mark of their own fill no parameter."""
        return next((one for one in self._tool.parameters if one.form is Form.THING), None)

    def _change(self, text: str) -> ScriptedReply:
        """Ask again for a value that was read back: for the parameter that `text` names, or for the only one."""
        words = words_in(text) - FUNCTION
        told = [one for one in self._tool.parameters if one.name in self._given]
        named = [one for one in told if words & one.words] or (told if len(told) == 1 else [])
        if not named:
            self.forget()
            return ScriptedReply(("All right, I will not do it.", QUESTIONS[Ask.MORE]), Ask.MORE)
        del self._given[named[0].name]
        return self._next("All right.")

    def _missing(self) -> Parameter | None:
        return next((one for one in self._tool.parameters if one.required and one.name not in self._given), None)

    def _next(self, opening: str = "") -> ScriptedReply:
        """Ask for a missing value, or call the tool."""
        missing = self._missing()
        return self._ask(missing, opening) if missing else self._run()

    def _run(self) -> ScriptedReply:
        self._stage = DialogueStage.CALLED
        return ScriptedReply((), None, self._call())

    def _call(self) -> PlannedCall:
        """The call of the tool, with its arguments in the order of its parameters."""
        return PlannedCall(self._tool.name, self._tool.arguments(self._given))

    def _ask(self, one: Parameter, opening: str = "") -> ScriptedReply:
        self._asked, self._stage = one, DialogueStage.ASKED
        sentences = (opening, one.question) if opening else (one.question,)
        return ScriptedReply(sentences, expect=self._expected(one))

    @staticmethod
    def _expected(one: Parameter) -> Expected | None:
        return Expected(_EXPECTED[one.form], one.length) if one.form in _EXPECTED else None

    def _about(self) -> str:
        """The arguments as they are spoken: ": title Dune, name Anna"."""
        told = [f"{name.replace('_', ' ')} {results.said(value)}" for name, value in self._given.items()]
        return f": {', '.join(told)}" if told else ""

    def _read_back(self) -> ScriptedReply:
        about = f"{self._tool.ability[:1].upper()}{self._tool.ability[1:]}{self._about()}."
        if not names_one(self._given, about):  # a date is spoken in words; consent needs one argument as it is
            about = f"{about.rstrip('.')} ({listed([str(value) for value in self._given.values()], 'and')})."
        self._stage = DialogueStage.CONFIRMING
        return ScriptedReply((about, QUESTIONS[Ask.CONFIRM]), Ask.CONFIRM)

    # What a tool answers

    def result(
        self, call: PlannedCall, result: Mapping[str, Any] | str | list[Any] | float | bool | None
    ) -> ScriptedReply:
        """The reply to the result of an owner's tool."""
        tool = self._tools[call.name]
        match results.outcome(result):
            case results.ToolOutcome.ASKS_CONSENT:
                self._tool, self._given = tool, tool.given(call.arguments)
                return self._read_back()
            case results.ToolOutcome.RUNNING:
                return ScriptedReply(("That takes a moment.", "I will tell you as soon as I know."))
            case results.ToolOutcome.INTERRUPTED:
                return ScriptedReply(())
            case results.ToolOutcome.REFUSED if isinstance(result, Mapping):
                return self._refused(tool, call, str(result["error"]))
            case results.ToolOutcome.FAILED if isinstance(result, Mapping):
                self.forget()
                return self._offer_person(results.regret(str(result.get("error") or "")))
            case _:
                self.forget()
                said = results.tool_sentences(tool, tool.given(call.arguments), result)
                return ScriptedReply((*said, QUESTIONS[Ask.MORE]), Ask.MORE)

    def _refused(self, tool: OwnTool, call: PlannedCall, error: str) -> ScriptedReply:
        """The reply if the tool's own types refuse an argument: ask for it again."""
        found = _REFUSED.match(error)
        one = tool.at(found.group(1)) if found else None
        self._misses += 1
        if one is None or self._misses > PATIENCE:
            self.forget()
            return self._offer_person("I am sorry, that did not work.")
        self._tool = tool
        self._given = {name: value for name, value in tool.given(call.arguments).items() if name != one.name}
        return self._ask(one, "That does not look right.")
