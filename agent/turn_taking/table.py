"""The table of turn-taking: states, judged events, actions and time limits.

An event is already judged: `Event.WORDS` are words of the caller that count, `Event.BACKCHANNEL` are words that do not.
The judgement (`agent.turn_taking.judging`, `agent.turn_taking.endpointing`) is the guard of the cell, and its evidence
goes with the decision.
"""

from enum import Enum
from typing import NamedTuple


class State(Enum):
    """State of the turn."""

    LISTENING = "listening"
    HEARING = "hearing the caller"
    DECIDING = "deciding whether the caller has finished"
    THINKING = "thinking"
    RUNNING_TOOL = "running a tool"
    SPEAKING = "speaking"
    PAUSED = "paused for the caller's voice"
    HOLDING = "holding for the caller"
    COLLECTING = "collecting keys"
    ANNOUNCING = "announcing without interruption"
    TRANSFERRING = "transferring the caller"
    TAKEN = "somebody else speaks with the caller"
    CLOSING = "saying goodbye"
    ENDED = "ended"


class Event(Enum):
    """An event, judged by its evidence."""

    VOICE = "the caller's voice is certain"
    QUIET = "the voice has ended without words so far"
    OWED = "the turn for which the greeting was put off has come to nothing"
    WORDS = "words of the caller"
    EAGER = "the turn has probably ended"
    ENDPOINT = "the turn has ended"
    BACKCHANNEL = "words that only show that the caller listens, or an echo"
    WITHDRAWN = "the words that broke a reply are taken back"
    KEY = "a key is pressed"
    KEYS = "the keys are complete"
    STARTED = "the agent's sound begins"
    COLLIDED = "the agent's sound begins while the caller speaks"
    DONE = "the agent has said everything"
    TOOL = "nothing of the reply is sounding, and a tool runs"
    RETURNED = "nothing of the reply is sounding, and no tool runs any more"
    ANNOUNCE = "something must be heard to its end"
    TRANSFER = "it rings at a person to whom the caller is being transferred"
    TAKEN = "somebody else speaks with the caller"
    NOBODY = "nobody has taken the call"
    BACK = "the caller is with the agent again"
    CLOSE = "the call is to end"
    UNCONFIRMED = "no words came with the voice"
    SILENCE = "the caller says nothing"
    UNHEARD = "the caller spoke, and no words were recognised"
    LOST = "no words were recognised for too long"
    GONE = "the caller has said nothing for too long"
    OVERTIME = "the call has lasted long enough"
    OVERDUE = "what was begun does not end"
    LATE = "a result has come after the reply that wanted it"


class Action(Enum):
    """Action to take."""

    PREPARE = "prepare a reply that may be thrown away"
    ANSWER = "reply"
    TELL = "reply to what has come late"
    HUSH = "end the sound of waiting"
    PAUSE = "fall silent at once"
    RESUME = "go on"
    CUT = "discard what is not said, keep in memory only what was heard"
    DISCARD = "throw the unspoken reply away"
    KEEP = "let the reply go on"
    GREET = "greet the caller"
    REPROMPT = "ask whether somebody is there"
    ASK_AGAIN = "ask the caller to say it again"
    HARDLY = "say that the caller can hardly be heard"
    GIVE_UP = "take the recogniser for deaf"
    GOODBYE_SILENCE = "say goodbye to nobody"
    GOODBYE_OVERTIME = "say goodbye because it is late"
    END = "hang up"


S, E, A = State, Event, Action
Cell = tuple[State, tuple[Action, ...]]
Table = dict[tuple[State, Event], Cell]


def _caller_may_speak(state: State, *broken: Action) -> Table:
    """Cells of a state in which words of the caller begin their turn; what was under way is `broken` off."""
    return {
        (state, E.WORDS): (S.HEARING, broken),
        (state, E.EAGER): (S.DECIDING, (*broken, A.PREPARE)),
        (state, E.ENDPOINT): (S.THINKING, (*broken, A.ANSWER)),
        (state, E.KEY): (S.COLLECTING, broken),
        (state, E.KEYS): (S.THINKING, (*broken, A.ANSWER)),
    }


def _agent_may_begin(state: State) -> Table:
    """Cells of a state in which the agent's sound may begin."""
    return {(state, E.STARTED): (S.SPEAKING, ()), (state, E.COLLIDED): (S.PAUSED, (A.PAUSE,))}


def _waits(state: State) -> Table:
    """Cells of a state in which nobody speaks and the agent waits for the caller."""
    return {
        **_caller_may_speak(state),
        **_agent_may_begin(state),
        (state, E.VOICE): (S.HEARING, ()),
        (state, E.SILENCE): (S.LISTENING, (A.REPROMPT,)),
        (state, E.UNHEARD): (S.LISTENING, (A.ASK_AGAIN,)),
        (state, E.LOST): (S.LISTENING, (A.HARDLY,)),
        (state, E.GONE): (S.CLOSING, (A.GOODBYE_SILENCE,)),
        (state, E.WITHDRAWN): (S.THINKING, (A.ANSWER,)),
        (state, E.LATE): (S.THINKING, (A.TELL,)),
        (state, E.OWED): (S.LISTENING, (A.GREET,)),
    }


def _hears(state: State) -> Table:
    """Cells of a state in which the caller's turn has begun."""
    return {
        **_caller_may_speak(state),
        (state, E.STARTED): (S.PAUSED, (A.PAUSE,)),
        (state, E.COLLIDED): (S.PAUSED, (A.PAUSE,)),
        (state, E.BACKCHANNEL): (S.LISTENING, ()),
        (state, E.WITHDRAWN): (S.THINKING, (A.ANSWER,)),
        (state, E.UNHEARD): (S.LISTENING, (A.ASK_AGAIN,)),
        (state, E.LOST): (S.LISTENING, (A.HARDLY,)),
        (state, E.QUIET): (S.LISTENING, ()),
        (state, E.OWED): (S.LISTENING, (A.GREET,)),
    }


def _thinks(state: State) -> Table:
    """Cells of a state in which a reply is made and nothing is heard of it."""
    return {
        **_caller_may_speak(state, A.DISCARD),
        **_agent_may_begin(state),
        (state, E.VOICE): (state, (A.HUSH,)),
        (state, E.DONE): (S.LISTENING, ()),
        (state, E.OVERDUE): (S.LISTENING, (A.DISCARD, A.ASK_AGAIN)),
    }


_ANYWHERE: dict[Event, Cell] = {
    E.ANNOUNCE: (S.ANNOUNCING, ()),
    E.TAKEN: (S.TAKEN, (A.CUT,)),
    E.CLOSE: (S.CLOSING, ()),
    E.OVERTIME: (S.CLOSING, (A.GOODBYE_OVERTIME,)),
}
"""Commands of the driver and the limit of the call: they count in every state except those in which the call ends. If
somebody else takes the caller, whatever the agent is about to say ends, too: in any state the agent may be about to ask
whether somebody is there. Nothing is announced to a caller whom somebody has taken."""

TABLE: Table = {
    **_waits(S.LISTENING),
    (S.LISTENING, E.TRANSFER): (S.TRANSFERRING, ()),
    **_waits(S.HOLDING),
    (S.HOLDING, E.TRANSFER): (S.TRANSFERRING, ()),
    **_hears(S.HEARING),
    **_hears(S.DECIDING),
    (S.DECIDING, E.VOICE): (S.HEARING, ()),
    **_thinks(S.THINKING),
    (S.THINKING, E.TOOL): (S.RUNNING_TOOL, ()),
    **_thinks(S.RUNNING_TOOL),
    (S.RUNNING_TOOL, E.RETURNED): (S.THINKING, ()),
    **_caller_may_speak(S.SPEAKING, A.CUT),
    (S.SPEAKING, E.VOICE): (S.PAUSED, (A.PAUSE,)),
    (S.SPEAKING, E.BACKCHANNEL): (S.SPEAKING, (A.KEEP,)),
    (S.SPEAKING, E.TOOL): (S.RUNNING_TOOL, ()),
    (S.SPEAKING, E.RETURNED): (S.THINKING, ()),
    (S.SPEAKING, E.DONE): (S.LISTENING, ()),
    (S.SPEAKING, E.OVERDUE): (S.LISTENING, (A.CUT,)),
    **_caller_may_speak(S.PAUSED, A.CUT),
    (S.PAUSED, E.BACKCHANNEL): (S.SPEAKING, (A.RESUME,)),
    (S.PAUSED, E.UNCONFIRMED): (S.SPEAKING, (A.RESUME,)),
    (S.PAUSED, E.LOST): (S.LISTENING, (A.CUT, A.HARDLY)),
    (S.PAUSED, E.TOOL): (S.RUNNING_TOOL, (A.RESUME,)),
    (S.PAUSED, E.RETURNED): (S.THINKING, (A.RESUME,)),
    (S.PAUSED, E.DONE): (S.LISTENING, (A.RESUME,)),
    **_caller_may_speak(S.COLLECTING),
    (S.COLLECTING, E.WORDS): (S.COLLECTING, ()),
    (S.COLLECTING, E.EAGER): (S.COLLECTING, ()),
    (S.COLLECTING, E.ENDPOINT): (S.COLLECTING, ()),
    (S.COLLECTING, E.COLLIDED): (S.COLLECTING, (A.PAUSE,)),
    (S.COLLECTING, E.STARTED): (S.COLLECTING, (A.PAUSE,)),
    (S.ANNOUNCING, E.DONE): (S.LISTENING, (A.GREET,)),
    (S.ANNOUNCING, E.ENDPOINT): (S.THINKING, (A.ANSWER,)),
    (S.ANNOUNCING, E.OVERDUE): (S.LISTENING, (A.CUT,)),
    **_waits(S.TRANSFERRING),
    (S.TRANSFERRING, E.NOBODY): (S.LISTENING, ()),
    (S.TRANSFERRING, E.BACK): (S.LISTENING, ()),
    (S.HOLDING, E.BACK): (S.LISTENING, ()),
    **{
        (state, event): cell
        for state in State
        if state not in (S.TAKEN, S.CLOSING, S.ENDED)
        for event, cell in _ANYWHERE.items()
    },
    **{(S.TAKEN, event): cell for event, cell in _ANYWHERE.items() if event is not E.ANNOUNCE},
    (S.TAKEN, E.BACK): (S.LISTENING, ()),
    (S.CLOSING, E.CLOSE): (S.CLOSING, ()),
    (S.CLOSING, E.DONE): (S.ENDED, (A.END,)),
}
"""A missing cell means that the event changes nothing there."""


class Since(Enum):
    """The moment from which a time limit counts; without such a moment there is no limit."""

    ENTERED = "the state was entered"
    SILENCE = "the caller has been silent"
    VOICE = "the caller's voice began"
    TAIL = "the turn ended while its last sound was still on"
    KEY = "the last key was pressed"


class Limit(NamedTuple):
    """A time limit, a column of the table: the event when nothing else happens for that time."""

    event: Event
    since: Since
    seconds: float | str
    """Seconds; or the name of a property of `agent.turn_taking.machine.TurnMachine` where they depend on evidence."""


ENDLESS = 30.0
"""Seconds of a certain voice without any words after which it is taken for a background."""

LIMITS: dict[State, tuple[Limit, ...]] = {
    S.LISTENING: (Limit(E.UNHEARD, Since.SILENCE, "unheard_after"), Limit(E.SILENCE, Since.SILENCE, "patience")),
    S.HEARING: (Limit(E.ENDPOINT, Since.SILENCE, "endpointing_delay"), Limit(E.UNHEARD, Since.VOICE, ENDLESS)),
    S.DECIDING: (Limit(E.ENDPOINT, Since.SILENCE, "endpointing_delay"), Limit(E.UNHEARD, Since.VOICE, ENDLESS)),
    S.THINKING: (Limit(E.OVERDUE, Since.ENTERED, 90.0),),
    S.RUNNING_TOOL: (Limit(E.OVERDUE, Since.ENTERED, 240.0),),
    S.SPEAKING: (
        Limit(E.VOICE, Since.TAIL, 0.0),
        Limit(E.VOICE, Since.VOICE, "bearing"),
        Limit(E.OVERDUE, Since.ENTERED, 180.0),
    ),
    S.PAUSED: (
        Limit(E.UNCONFIRMED, Since.SILENCE, "confirm_after"),
        Limit(E.UNCONFIRMED, Since.VOICE, "pause_limit"),
        Limit(E.LOST, Since.VOICE, "wordless_limit"),
    ),
    S.HOLDING: (Limit(E.UNHEARD, Since.SILENCE, "unheard_after"), Limit(E.SILENCE, Since.SILENCE, "grace")),
    S.COLLECTING: (Limit(E.KEYS, Since.KEY, "key_pause"),),
    S.ANNOUNCING: (Limit(E.OVERDUE, Since.ENTERED, 180.0),),
    S.TRANSFERRING: (Limit(E.NOBODY, Since.ENTERED, 900.0),),
    S.TAKEN: (),
    S.CLOSING: (Limit(E.DONE, Since.ENTERED, 20.0),),
}
"""Every state except the last one has a limit, but not while somebody else speaks with the caller."""
