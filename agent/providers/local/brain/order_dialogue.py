"""The script: orders, callbacks, small talk, and replies to words that were not understood. Sans-IO."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from agent.consent import plain_answer
from agent.phrases import phrases_of
from agent.providers.local.brain import phrases, results
from agent.providers.local.brain.callback import Callback
from agent.providers.local.brain.guess import UNCLEAR, Guess
from agent.providers.local.brain.numbers import separated
from agent.providers.local.brain.phrases import DICTATED, QUESTIONS, Ask, PlannedCall, ScriptedReply
from agent.providers.local.brain.slots import Slots, bare_time

SHORTEST_ORDER = 4
"""Minimum digits of an order number that is looked up at once; fewer digits count as its beginning."""
LONGEST_ORDER = 12
"""Maximum digits of an order number."""
PATIENCE = 2
"""Number of turns that were not understood, or of orders that were not found, before a person is offered."""

_ORDER, _CALLBACK, _PERSON, _HANG_UP = "get_order_status", "schedule_callback", "transfer_to_human", "hang_up"
_STOP, _EMERGENCY = "stop_calling", "emergency"
_NEEDS_HELP = re.compile(
    r"\b(?:ambulance|paramedics?|fire (?:brigade|department)|emergency (?:services?|call|number))\b|"
    r"\b(?:call|need|get|send)(?: me| us)? (?:the |an? )?(?:police|doctor)\b"
)
_DIALS = re.compile(r"\b(?:call|dial)\b")
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
    """The task for which the caller needs help."""

    ORDER = "order"
    CALLBACK = "call back"


class OrderDialogue:
    """The state of the script in a call. `agent.providers.local.brain.dialogue` gives it the words."""

    def __init__(self, tools: frozenset[str], business: str = "") -> None:
        self._tools = tools
        self._business = business
        self.own_abilities: tuple[str, ...] = ()
        """Abilities of the tools of the agent's owner."""
        self._task: Task | None = None
        self.asked: Ask | None = None
        """The question that the caller may be answering."""
        self._digits = ""  # digits of an order number that is incomplete or was not found
        self._order = ""  # the number of the last order found
        self._callback = Callback()
        self._not_found = 0
        self._misses = 0
        self.last = ScriptedReply((phrases.FRESH_START,))
        """The last reply that said something."""

    def refused(self, call: PlannedCall) -> ScriptedReply:
        """The reply if the caller's words do not fit the schema of a tool."""
        if call.name == _ORDER:
            return ScriptedReply(("That does not look right.", "Could you say the order number again?"), Ask.NUMBER)
        if call.name == _HANG_UP:
            return ScriptedReply((self._farewell(),))
        return self.offer_person("I am sorry, that did not work.")  # the tool is there: no "I cannot"

    def keep(self, reply: ScriptedReply) -> ScriptedReply:
        """Remember `reply` as the last one. Returns `reply`."""
        if reply.sentences:
            self.last = reply
        # A yes or a no counts only once the question was heard; `heard` sets it again from the words that were.
        self.asked = reply.ask if reply.ask in DICTATED else None
        return reply

    def heard(self, text: str) -> None:
        """Note that the caller heard `text` of the agent's words."""
        self.asked = phrases.question_heard(text) or self.asked
        if self._task is None and self.asked in DICTATED:
            self._task = Task.ORDER if self.asked is Ask.NUMBER else Task.CALLBACK

    def does(self, intent: str) -> bool:
        """Whether the script has the tool for `intent`."""
        return {
            "order_status": _ORDER, "no_number": _ORDER, "callback": _CALLBACK, "human": _PERSON,
        }.get(intent) in self._tools  # fmt: skip

    def dictating(self, said: Slots) -> bool:
        """Whether `said` may belong to an order number or a call back that is being told."""
        return self._task is not None and bool(said.digits or said.when or said.answer is not None)

    # What the caller said

    def at_once(self, said: Slots) -> ScriptedReply | None:
        """The reply to a caller who needs the emergency services or wants no more calls; None for everything else."""
        dials = said.digits in ("911", "112", "999") and _DIALS.search(said.words)
        if _EMERGENCY in self._tools and (dials or _NEEDS_HELP.search(said.words)):
            return ScriptedReply((), None, PlannedCall(_EMERGENCY, {}))
        if _STOP not in self._tools or not _NO_MORE_CALLS.search(said.words):
            return None
        self.forget()
        return ScriptedReply((), None, PlannedCall(_STOP, {"phone_number": said.digits} if said.digits else {}))

    def understand(self, said: Slots, guess: Guess) -> ScriptedReply | None:
        """The reply to what is understood; None for what is not."""
        return self._dictation(said, guess) or self._yes_or_no(said, guess) or self._wish(guess.intent, said)

    def understood(self, reply: ScriptedReply) -> ScriptedReply:
        """Note that a turn was understood, which ends a row of turns that were not. Returns `reply`."""
        self._misses = 0
        return reply

    def missed(self) -> ScriptedReply | None:
        """Note that a turn was not understood. After `PATIENCE` of them, the reply that offers a person; otherwise
        None."""
        self._misses += 1
        return self.offer_person("I am sorry, I do not understand.") if self._misses > PATIENCE else None

    def not_understood(self, guess: Guess) -> ScriptedReply:
        """The reply to words that are like no intent."""
        question = (QUESTIONS[self.asked],) if self.asked else ()
        if guess.intent == UNCLEAR:
            return ScriptedReply(
                ("Sorry, I did not catch that.", *(question or ("Could you say it again?",))), self.asked
            )
        refusal = "I am a simple assistant and cannot help with that."
        if self.own_abilities:  # never refuse an ability of the owner's tools
            refusal = "I am not sure what you need."
        return ScriptedReply((refusal, phrases.abilities(self._tools, self.own_abilities), *question), self.asked)

    def _dictation(self, said: Slots, guess: Guess) -> ScriptedReply | None:
        """The reply to a number or a time that answers a question, or that belongs to a callback; None if there is
        none."""
        if self._task is Task.CALLBACK:
            elsewhere = guess.intent in _OWN_WISHES - {"callback"} and len(said.words.split()) > 3
            if elsewhere and (not said.digits or _ABOUT_ORDER.search(said.words)):
                return None
            return self._callback_slots(said)
        if not said.digits or _ORDER not in self._tools:
            partial = self._task is Task.ORDER and self.asked is Ask.NUMBER and self._digits
            done = said.answer is True or _ALL_SAID.search(said.words)
            return self._look_up(self._digits) if partial and not self._not_found and done else None
        if guess.intent == "callback" and _ABOUT_CALL.search(said.words):
            return None
        if said.keypad and said.digits == "0" and self.asked is not Ask.NUMBER:
            return self._human("the caller pressed 0")
        if self.asked is Ask.NUMBER or len(said.digits) >= SHORTEST_ORDER:
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
        return ScriptedReply((), None, PlannedCall(_ORDER, {"order_number": number}))

    def _callback_slots(self, said: Slots) -> ScriptedReply | None:
        before = self._callback
        hour = bare_time(said.text) if self.asked is Ask.WHEN else ""
        if said.digits and not hour and (self.asked is not Ask.WHEN or len(said.digits) > 2):
            self._callback = self._callback.dictated(said.digits, correcting=said.answer is False)
        when = said.when or hour
        if when:
            self._callback = replace(self._callback, when=when)
        if self._callback != before or (said.digits and said.answer is not True):
            return self._callback_next()
        if self.asked is Ask.PHONE and _OWN_NUMBER.search(said.words):
            return ScriptedReply(("I cannot see your number.", "Please say it, or press it on the keypad."), Ask.PHONE)
        if self.asked is Ask.CHANGE and re.search(r"\b(?:number|phone|digits?)\b", said.words):
            self._callback = replace(self._callback, phone="")
            return self._callback_next()
        if self.asked is Ask.CHANGE and re.search(r"\b(?:time|day|date|hour|when)\b", said.words):
            self._callback = replace(self._callback, when="")
            return self._callback_next()
        unheard = self.asked is None and self._callback.complete and said.answer is not None
        return self._callback_next() if unheard else None

    def _callback_next(self, opening: str = "") -> ScriptedReply:
        """Ask for a missing part of the callback, or whether all is right."""
        plan = self._callback
        first = (opening,) if opening else ()
        if not plan.phone_complete:
            question = f"{separated(plan.phone)}, and then?" if plan.phone else QUESTIONS[Ask.PHONE]
            return ScriptedReply((*first, question), Ask.PHONE)
        if not plan.when:
            return ScriptedReply((*first, QUESTIONS[Ask.WHEN]), Ask.WHEN)
        return ScriptedReply((f"That is {plan.read_back()}.", QUESTIONS[Ask.CONFIRM]), Ask.CONFIRM)

    def _yes_or_no(self, said: Slots, guess: Guess) -> ScriptedReply | None:
        """The reply to a yes or a no to a question. Another wish in the same turn ("No, where is my order?") counts
        first."""
        asked, words = self.asked, len(said.words.split())
        own_wish = guess.intent in _OWN_WISHES and words > 2
        if said.answer is None or asked is None or (guess.intent == "repeat" and _AGAIN.search(said.words)):
            return None
        if said.answer:
            if asked is Ask.CONFIRM and plain_answer(said.text, _WORDS) is not True:
                return None  # "okay, so what does it cost?": the question is asked again
            if asked is Ask.CONFIRM and self._callback.complete:
                return ScriptedReply((), None, PlannedCall(_CALLBACK, self._callback_arguments()))
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
            return self._goodbye() if self.asked is Ask.MORE else self._more("You are welcome.")
        if intent == "order_change" and self.own_abilities:
            return None
        wishes: dict[str, Callable[[], ScriptedReply | None]] = {
            "callback": lambda: self._start_callback(said),
            "human": lambda: self._human("the caller asked for a person"),
            "goodbye": self._goodbye,
            "never_mind": self._drop,
            "order_change": lambda: self.offer_person("I can look up an order, but not change it."),
            "greeting": lambda: ScriptedReply(("Hello.", self._pending()), self.asked),
            "help": lambda: ScriptedReply(
                (phrases.abilities(self._tools, self.own_abilities), self._pending()), self.asked
            ),
            "who": lambda: ScriptedReply((self._who(), self._pending()), self.asked),
            "wait": lambda: ScriptedReply(("Sure, take your time.",), self.asked),
            "repeat": lambda: self.last._replace(call=None),
        }
        return wishes[intent]() if intent in wishes else None

    def _order_wish(self, said: Slots, *, known: bool) -> ScriptedReply | None:
        if _ORDER not in self._tools and self.own_abilities:
            return None
        if _ORDER not in self._tools:
            return self.offer_person("I am sorry, I cannot look up orders on this line.")
        if not known:
            return self.offer_person("I need the order number to look it up.")
        self._task = Task.ORDER
        if said.digits:
            return self._order_digits(said.digits.lstrip("+"))
        if self._order and not _ANOTHER.search(said.words):
            return self._look_up(self._order)
        self._digits, self._not_found = "", 0
        return ScriptedReply(("I can look that up.", QUESTIONS[Ask.NUMBER]), Ask.NUMBER)

    def _start_callback(self, said: Slots) -> ScriptedReply | None:
        if _CALLBACK not in self._tools and self.own_abilities:
            return None
        if _CALLBACK not in self._tools:
            return self.offer_person("I am sorry, I cannot arrange call backs on this line.")
        if self._task is not Task.CALLBACK:
            self._task = Task.CALLBACK
            self._callback = Callback(when=said.when, topic=said.topic)
            if said.digits:
                self._callback = self._callback.dictated(said.digits, correcting=False)
        return self._callback_next(f"Sure, {self._callback.when}." if said.when else "Sure.")

    def _human(self, reason: str) -> ScriptedReply | None:
        if _PERSON not in self._tools and self.own_abilities:
            return None
        if _PERSON not in self._tools:
            return self.offer_person("I am sorry, I cannot put calls through on this line.")
        return ScriptedReply(
            ("I will put you through.", "One moment, please."), None, PlannedCall(_PERSON, {"reason": reason})
        )

    def _goodbye(self) -> ScriptedReply:
        call = PlannedCall(_HANG_UP, {"reason": "the caller said goodbye"}) if _HANG_UP in self._tools else None
        return ScriptedReply((self._farewell(),), None, call)

    def _drop(self) -> ScriptedReply:
        self.forget()
        return self._more("All right.")

    # What a tool answered

    def result(self, call: PlannedCall | None, result: Mapping[str, Any] | str) -> ScriptedReply:
        """The reply to the result of a tool of the script."""
        fault = results.fault(result)
        if call is None or call.name in (_HANG_UP, "expect"):
            return ScriptedReply(())
        if call.name == _EMERGENCY and isinstance(result, Mapping) and not fault:
            return ScriptedReply((str(result.get("say")),))
        if call.name == _STOP and isinstance(result, Mapping) and not fault:
            return self._more(f"{results.spoken(result.get('say')) or 'That is done'}.")
        if call.name == _ORDER:
            return self._order_result(str(call.arguments.get("order_number", self._digits)), result, fault)
        if call.name == _PERSON:
            return self._offer_callback("I am sorry, nobody can take your call now.") if fault else ScriptedReply(())
        if call.name != _CALLBACK:
            return self._more("I am sorry, that did not work." if fault else "That is done.")
        self.forget()
        if fault:
            return self.offer_person("I am sorry, I could not arrange that.")
        when = results.spoken(call.arguments.get("when")) or "back"
        return self._more(f"It is arranged. We will call you {when}.")

    def _order_result(
        self, number: str, result: Mapping[str, Any] | str, fault: results.ToolFault | None
    ) -> ScriptedReply:
        number = re.sub(r"[^0-9]", "", number)[:LONGEST_ORDER]
        if fault is None:
            self.forget()
            self._order = number
            return ScriptedReply((*results.order_sentences(number, result), QUESTIONS[Ask.MORE]), Ask.MORE)
        if fault is results.ToolFault.BROKEN:
            self.forget()
            return self.offer_person("I am sorry, I could not look that up just now.")
        self._not_found += 1
        missing = f"I could not find order {separated(number)}."
        if self._not_found >= PATIENCE:
            self.forget()
            return self.offer_person(missing)
        self._task, self._digits = Task.ORDER, number
        return ScriptedReply((missing, "Could you say the order number again?"), Ask.NUMBER)

    # Recurring phrases

    def forget(self) -> None:
        """Stop the task: forget the callback, and the digits of an order number."""
        self._task, self._digits, self._not_found, self._callback = None, "", 0, Callback()

    def _more(self, opening: str) -> ScriptedReply:
        return ScriptedReply((opening, QUESTIONS[Ask.MORE]), Ask.MORE)

    def _pending(self) -> str:
        return QUESTIONS[self.asked] if self.asked is not None else phrases.FRESH_START

    def offer_person(self, opening: str) -> ScriptedReply:
        """The reply that offers a person after `opening`; otherwise a callback; otherwise more help."""
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
