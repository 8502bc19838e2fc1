"""The dialogue: replays the messages of a call and decides the next reply. Pure: same messages, same reply."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

from agent.consent import plain_answer
from agent.llm import Message
from agent.phrases import phrases_of
from agent.providers.local.brain import phrases, results
from agent.providers.local.brain.callback import Callback
from agent.providers.local.brain.guess import UNCLEAR, Guess
from agent.providers.local.brain.numbers import separated
from agent.providers.local.brain.phrases import DICTATED, QUESTIONS, Ask, Call, ScriptedReply
from agent.providers.local.brain.slots import Slots, bare_time, slots

SHORTEST_ORDER = 4
"""Digits of the shortest order number that is looked up at once; fewer are taken for its beginning."""
LONGEST_ORDER = 12
"""Digits of the longest order number."""
PATIENCE = 2
"""Turns not understood, or orders not found, before a person is offered."""
MAX_CONTENT = 20_000
"""Characters of one message that are read."""

_ORDER, _CALLBACK, _PERSON, _HANG_UP = "get_order_status", "schedule_callback", "transfer_to_human", "hang_up"
_STOP = "stop_calling"
_NO_MORE_CALLS = re.compile(
    r"\b(?:stop|quit) (?:calling|phoning|ringing)(?! (?:back|it|the))|"
    r"\b(?:don't|do not|never|not) (?:ever )?(?:call|phone|ring) (?:me|us|here|this number)(?: again| any ?more| ever)|"
    r"\b(?:do not|don't) call list|\b(?:take|remove|delete) (?:me|us|my number) (?:off|from) (?:your|the|that|this)"
)
_ANOTHER = re.compile(r"\b(?:another|other|different|second|new|next) (?:order|one|number|package|parcel)")
_ABOUT_ORDER = re.compile(r"\b(?:orders?|package|parcel|delivery|shipment)\b")
_ABOUT_CALL = re.compile(r"\b(?:calls?|phone|ring|ringing|callback|contact)\b")
_ALL_SAID = re.compile(r"\b(?:that's|that is|it's|it is|this is) (?:it|all|everything|the whole|complete)")
_OWN_NUMBER = re.compile(r"\b(?:this|same|current) (?:number|phone|line)|number (?:i'm|i am|that i'm) (?:calling|on)")
_AGAIN = re.compile(r"\b(?:repeat|again|pardon|what|hear|once more|slow(?:er|ly)|catch)\b")
_WORDS = phrases_of(("en",))
_OWN_WISHES = frozenset({"order_status", "callback", "human", "goodbye", "order_change"})


class Task(Enum):
    """What the caller is being helped with."""

    ORDER = "order"
    CALLBACK = "call back"


class OrderDialogue:
    """The state of one call, rebuilt from its messages for each reply."""

    def __init__(self, tools: frozenset[str], guess: Callable[[str], Guess], business: str = "") -> None:
        self._tools = tools
        self._guess = guess
        self._business = business
        self._task: Task | None = None
        self._asked: Ask | None = None
        self._digits = ""  # of an order number that is not complete or was not found
        self._order = ""  # the number of the last order found
        self._callback = Callback()
        self._not_found = 0
        self._misses = 0
        self._last = ScriptedReply((phrases.FRESH_START,))
        self._calls: dict[str, Call] = {}

    def follow(self, messages: Sequence[Message]) -> ScriptedReply:
        """Replay `messages` and return the reply to the last of them; without sentences if there is nothing to say."""
        reply = self._last
        for message in messages:
            role = message.get("role")
            if role == "user":
                reply = self._keep(self._to_caller(content_text(message.get("content"))))
            elif role == "tool":
                reply = self._keep(self._to_result(message))
            elif role == "assistant":
                self._said(message)
        return reply

    def refused(self, call: Call) -> ScriptedReply:
        """The reply when the schema of a tool does not take what the caller said."""
        if call.name == _ORDER:
            return ScriptedReply(("That does not look right.", "Could you say the order number again?"), Ask.NUMBER)
        if call.name == _HANG_UP:
            return ScriptedReply((self._farewell(),))
        return self._offer_person("I am sorry, I cannot do that on this line.")

    def _keep(self, reply: ScriptedReply) -> ScriptedReply:
        if reply.sentences:
            self._last = reply
        # A yes or a no counts only once the question was heard; `_said` sets it again from the words that were.
        self._asked = reply.ask if reply.ask in DICTATED else None
        return reply

    def _said(self, message: Message) -> None:
        text = content_text(message.get("content"))
        if text:
            self._asked = phrases.question_heard(text) or self._asked
            if self._task is None and self._asked in DICTATED:
                self._task = Task.ORDER if self._asked is Ask.NUMBER else Task.CALLBACK
        calls = message.get("tool_calls")
        for call in calls[:20] if isinstance(calls, list) else []:
            function = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(function, Mapping) and isinstance(function.get("name"), str):
                arguments = results.parse(function.get("arguments"))
                given = arguments if isinstance(arguments, Mapping) else {}
                self._calls[str(call.get("id"))] = Call(function["name"], {k: str(v) for k, v in given.items()})

    # What the caller said

    def _to_caller(self, text: str) -> ScriptedReply:
        said = slots(text)
        if _STOP in self._tools and _NO_MORE_CALLS.search(said.words):
            self._forget()
            return ScriptedReply((), None, Call(_STOP, {"phone_number": said.digits} if said.digits else {}))
        guess = self._guess(said.words)
        reply = self._dictation(said, guess) or self._yes_or_no(said, guess) or self._wish(guess.intent, said)
        if reply is not None:
            self._misses = 0
            return reply
        self._misses += 1
        if self._misses > PATIENCE:
            return self._offer_person("I am sorry, I do not understand.")
        question = (QUESTIONS[self._asked],) if self._asked else ()
        if guess.intent == UNCLEAR:
            return ScriptedReply(
                ("Sorry, I did not catch that.", *(question or ("Could you say it again?",))), self._asked
            )
        refusal = "I am a simple assistant and cannot help with that."
        return ScriptedReply((refusal, phrases.abilities(self._tools), *question), self._asked)

    def _dictation(self, said: Slots, guess: Guess) -> ScriptedReply | None:
        """A number or a time for what is being asked, or for a call back that is under way."""
        if self._task is Task.CALLBACK:
            elsewhere = guess.intent in _OWN_WISHES - {"callback"} and len(said.words.split()) > 3
            if elsewhere and (not said.digits or _ABOUT_ORDER.search(said.words)):
                return None
            return self._callback_slots(said)
        if not said.digits or _ORDER not in self._tools:
            partial = self._task is Task.ORDER and self._asked is Ask.NUMBER and self._digits
            done = said.answer is True or _ALL_SAID.search(said.words)
            return self._look_up(self._digits) if partial and not self._not_found and done else None
        if guess.intent == "callback" and _ABOUT_CALL.search(said.words):
            return None
        if said.keypad and said.digits == "0" and self._asked is not Ask.NUMBER:
            return self._human("the caller pressed 0")
        if self._asked is Ask.NUMBER or len(said.digits) >= SHORTEST_ORDER:
            return self._order_digits(said.digits.lstrip("+"))
        return None

    def _order_digits(self, new: str) -> ScriptedReply:
        whole = len(new) >= SHORTEST_ORDER or (self._not_found and len(new) == SHORTEST_ORDER - 1)
        self._task, self._digits = Task.ORDER, new if whole else self._digits + new
        if len(self._digits) > LONGEST_ORDER:
            self._digits = ""
            return ScriptedReply(
                ("That is longer than an order number.", "Could you say the order number again?"), Ask.NUMBER
            )
        if len(self._digits) < SHORTEST_ORDER:
            return ScriptedReply((f"{separated(self._digits)}, and then?",), Ask.NUMBER)
        return self._look_up(self._digits)

    def _look_up(self, number: str) -> ScriptedReply:
        return ScriptedReply((), None, Call(_ORDER, {"order_number": number}))

    def _callback_slots(self, said: Slots) -> ScriptedReply | None:
        before = self._callback
        hour = bare_time(said.text) if self._asked is Ask.WHEN else ""
        if said.digits and not hour and (self._asked is not Ask.WHEN or len(said.digits) > 2):
            self._callback = self._callback.dictated(said.digits, correcting=said.answer is False)
        when = said.when or hour
        if when:
            self._callback = replace(self._callback, when=when)
        if self._callback != before or (said.digits and said.answer is not True):
            return self._callback_next()
        if self._asked is Ask.PHONE and _OWN_NUMBER.search(said.words):
            return ScriptedReply(("I cannot see your number.", "Please say it, or press it on the keypad."), Ask.PHONE)
        if self._asked is Ask.CHANGE and re.search(r"\b(?:number|phone|digits?)\b", said.words):
            self._callback = replace(self._callback, phone="")
            return self._callback_next()
        if self._asked is Ask.CHANGE and re.search(r"\b(?:time|day|date|hour|when)\b", said.words):
            self._callback = replace(self._callback, when="")
            return self._callback_next()
        unheard = self._asked is None and self._callback.complete and said.answer is not None
        return self._callback_next() if unheard else None

    def _callback_next(self, opening: str = "") -> ScriptedReply:
        """Ask for what is missing, or whether all is right."""
        plan = self._callback
        first = (opening,) if opening else ()
        if not plan.phone_complete:
            question = f"{separated(plan.phone)}, and then?" if plan.phone else QUESTIONS[Ask.PHONE]
            return ScriptedReply((*first, question), Ask.PHONE)
        if not plan.when:
            return ScriptedReply((*first, QUESTIONS[Ask.WHEN]), Ask.WHEN)
        return ScriptedReply((f"That is {plan.read_back()}.", QUESTIONS[Ask.CONFIRM]), Ask.CONFIRM)

    def _yes_or_no(self, said: Slots, guess: Guess) -> ScriptedReply | None:
        """A yes or a no to a question; a wish of its own in the same breath ("No, where is my order?") comes first."""
        asked, words = self._asked, len(said.words.split())
        own_wish = guess.intent in _OWN_WISHES and words > 2
        if said.answer is None or asked is None or (guess.intent == "repeat" and _AGAIN.search(said.words)):
            return None
        if said.answer:
            if asked is Ask.CONFIRM and plain_answer(said.text, _WORDS) is not True:
                return None  # "okay, so what does it cost?": it is asked again
            if asked is Ask.CONFIRM and self._callback.complete:
                return ScriptedReply((), None, Call(_CALLBACK, self._callback_arguments()))
            if asked is Ask.PERSON:
                return self._human("the caller accepted to be put through")
            if asked is Ask.CALLBACK:
                return self._start_callback(said)
            return ScriptedReply(("What can I do for you?",)) if asked is Ask.MORE and not own_wish else None
        if own_wish and guess.intent != "goodbye":
            return None
        if asked is Ask.MORE:
            return self._goodbye()
        if asked is Ask.CONFIRM:
            return ScriptedReply((QUESTIONS[Ask.CHANGE],), Ask.CHANGE)
        return None if guess.intent in ("goodbye", "no_number") else self._drop()

    def _callback_arguments(self) -> dict[str, str]:
        plan = self._callback
        topic = plan.topic or (f"order {self._order}" if self._order else "")
        return {"phone_number": plan.phone, "when": plan.when, "topic": topic}

    # What the caller wants

    def _wish(self, intent: str, said: Slots) -> ScriptedReply | None:
        if intent in ("order_status", "no_number"):
            return self._order_wish(said, known=intent != "no_number")
        if intent == "thanks":
            return self._goodbye() if self._asked is Ask.MORE else self._more("You are welcome.")
        wishes: dict[str, Callable[[], ScriptedReply]] = {
            "callback": lambda: self._start_callback(said),
            "human": lambda: self._human("the caller asked for a person"),
            "goodbye": self._goodbye,
            "never_mind": self._drop,
            "order_change": lambda: self._offer_person("I can look up an order, but not change it."),
            "greeting": lambda: ScriptedReply(("Hello.", self._pending()), self._asked),
            "help": lambda: ScriptedReply((phrases.abilities(self._tools), self._pending()), self._asked),
            "who": lambda: ScriptedReply((self._who(), self._pending()), self._asked),
            "wait": lambda: ScriptedReply(("Sure, take your time.",), self._asked),
            "repeat": lambda: self._last._replace(call=None),
        }
        return wishes[intent]() if intent in wishes else None

    def _order_wish(self, said: Slots, *, known: bool) -> ScriptedReply:
        if _ORDER not in self._tools:
            return self._offer_person("I am sorry, I cannot look up orders on this line.")
        if not known:
            return self._offer_person("Without the order number I cannot look it up.")
        self._task = Task.ORDER
        if said.digits:
            return self._order_digits(said.digits.lstrip("+"))
        if self._order and not _ANOTHER.search(said.words):
            return self._look_up(self._order)
        self._digits, self._not_found = "", 0
        return ScriptedReply(("I can look that up.", QUESTIONS[Ask.NUMBER]), Ask.NUMBER)

    def _start_callback(self, said: Slots) -> ScriptedReply:
        if _CALLBACK not in self._tools:
            return self._offer_person("I am sorry, I cannot arrange call backs on this line.")
        if self._task is not Task.CALLBACK:
            self._task = Task.CALLBACK
            self._callback = Callback(when=said.when, topic=said.topic)
            if said.digits:
                self._callback = self._callback.dictated(said.digits, correcting=False)
        return self._callback_next(f"Sure, {self._callback.when}." if said.when else "Sure.")

    def _human(self, reason: str) -> ScriptedReply:
        if _PERSON not in self._tools:
            return self._offer_person("I am sorry, I cannot put calls through on this line.")
        return ScriptedReply(
            ("I will put you through.", "One moment, please."), None, Call(_PERSON, {"reason": reason})
        )

    def _goodbye(self) -> ScriptedReply:
        call = Call(_HANG_UP, {"reason": "the caller said goodbye"}) if _HANG_UP in self._tools else None
        return ScriptedReply((self._farewell(),), None, call)

    def _drop(self) -> ScriptedReply:
        self._forget()
        return self._more("All right.")

    # What a tool answered

    def _to_result(self, message: Message) -> ScriptedReply:
        call = self._calls.pop(str(message.get("tool_call_id")), None)
        result = results.parse(content_text(message.get("content")))
        fault = results.fault(result)
        if call is None or call.name == _HANG_UP:
            return ScriptedReply(())
        if call.name == _STOP and isinstance(result, Mapping) and not fault:
            return self._more(f"{results.spoken(result.get('say')) or 'That is done'}.")
        if call.name == _ORDER:
            return self._order_result(call.arguments.get("order_number", self._digits), result, fault)
        if call.name == _PERSON:
            return self._offer_callback("I am sorry, nobody can take your call now.") if fault else ScriptedReply(())
        if call.name != _CALLBACK:
            return self._more("I am sorry, that did not work." if fault else "That is done.")
        self._forget()
        if fault:
            return self._offer_person("I am sorry, I could not arrange that.")
        when = results.spoken(call.arguments.get("when")) or "back"
        return self._more(f"It is arranged. We will call you {when}.")

    def _order_result(self, number: str, result: Mapping[str, Any] | str, fault: results.Fault | None) -> ScriptedReply:
        number = re.sub(r"[^0-9]", "", number)[:LONGEST_ORDER]
        if fault is None:
            self._forget()
            self._order = number
            return ScriptedReply((*results.order_sentences(number, result), QUESTIONS[Ask.MORE]), Ask.MORE)
        if fault is results.Fault.BROKEN:
            self._forget()
            return self._offer_person("I am sorry, I could not look that up just now.")
        self._not_found += 1
        missing = f"I could not find order {separated(number)}."
        if self._not_found >= PATIENCE:
            self._forget()
            return self._offer_person(missing)
        self._task, self._digits = Task.ORDER, number
        return ScriptedReply((missing, "Could you say the order number again?"), Ask.NUMBER)

    # Recurring phrases

    def _forget(self) -> None:
        self._task, self._digits, self._not_found, self._callback = None, "", 0, Callback()

    def _more(self, opening: str) -> ScriptedReply:
        return ScriptedReply((opening, QUESTIONS[Ask.MORE]), Ask.MORE)

    def _pending(self) -> str:
        return QUESTIONS[self._asked] if self._asked is not None else phrases.FRESH_START

    def _offer_person(self, opening: str) -> ScriptedReply:
        if _PERSON in self._tools:
            return ScriptedReply((opening, QUESTIONS[Ask.PERSON]), Ask.PERSON)
        return self._offer_callback(opening)

    def _offer_callback(self, opening: str) -> ScriptedReply:
        if _CALLBACK in self._tools and self._task is not Task.CALLBACK:
            return ScriptedReply((opening, QUESTIONS[Ask.CALLBACK]), Ask.CALLBACK)
        return self._more(opening)

    def _who(self) -> str:
        return f"I am the automatic assistant{f' of {self._business}' if self._business else ''}."

    def _farewell(self) -> str:
        return f"Thank you for calling{f' {self._business}' if self._business else ''}. Goodbye."


def content_text(content: object) -> str:
    """The text of a message's content: a string, or a list of parts of which the text ones count; bounded."""
    if isinstance(content, str):
        return content[:MAX_CONTENT]
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content[:50] if isinstance(part, Mapping)]
    return " ".join(part for part in parts if isinstance(part, str))[:MAX_CONTENT]
