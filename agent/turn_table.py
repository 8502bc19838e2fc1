"""The table of turn-taking: who has the floor, what may happen, and what is done about it."""

from enum import Enum


class State(Enum):
    """Who has the floor."""

    LISTENING = "listening"
    HEARING = "hearing the caller"
    DICTATING = "waiting for the rest of a number or an address"
    THINKING = "thinking"
    SPEAKING = "speaking"
    HELD = "silent because of a sound"
    ANNOUNCING = "saying what nobody may interrupt"
    CLOSING = "saying goodbye"
    ENDED = "ended"


class Event(Enum):
    """What happened."""

    NOTICED = "the ears notice that the caller makes a sound"
    ONSET = "the caller makes a sound"
    NOISE = "one more sound, after pausing for others was no use"
    QUIET = "the sound has ended"
    SPOKEN = "the sound has ended, and it was like a word"
    WORDS = "words of the caller"
    STABLE = "words that are probably complete"
    FINAL = "the caller's turn is complete"
    PART = "a part of what is being dictated"
    FINAL_MURMUR = "a turn of nothing but backchannel or echo"
    WITHDRAWN = "words that had a reply thrown away are taken back"
    STARTED = "the agent's sound begins"
    COLLIDED = "the agent's sound begins while the caller makes one"
    DONE = "the agent has said everything"
    UNCONFIRMED = "no words came with the sound"
    SILENCE = "the caller says nothing"
    UNHEARD = "the caller spoke, and the ears report no words"
    OVERTIME = "the call has lasted long enough"


class Decision(Enum):
    """What to do."""

    PREPARE = "prepare a reply that may be thrown away"
    ANSWER = "reply"
    PAUSE = "fall silent at once"
    RESUME = "go on"
    CUT = "discard what is not said, keep in memory only what was heard"
    DISCARD = "throw the unspoken reply away"
    GREET = "greet the caller"
    REPROMPT = "ask whether somebody is there"
    ASK_AGAIN = "ask the caller to say it again"
    GIVE_UP = "take the ears for deaf"
    GOODBYE_SILENCE = "say goodbye to nobody"
    GOODBYE_OVERTIME = "say goodbye because it is late"
    END = "hang up"


S, E, D = State, Event, Decision
TABLE: dict[tuple[State, Event], tuple[State, tuple[Decision, ...]]] = {
    (S.LISTENING, E.ONSET): (S.HEARING, ()),
    (S.LISTENING, E.WORDS): (S.HEARING, ()),
    (S.LISTENING, E.STABLE): (S.HEARING, (D.PREPARE,)),
    (S.LISTENING, E.FINAL): (S.THINKING, (D.ANSWER,)),
    (S.LISTENING, E.PART): (S.DICTATING, (D.PREPARE,)),
    (S.LISTENING, E.STARTED): (S.SPEAKING, ()),
    (S.LISTENING, E.COLLIDED): (S.HELD, (D.PAUSE,)),
    (S.LISTENING, E.SILENCE): (S.LISTENING, (D.REPROMPT,)),
    (S.LISTENING, E.UNHEARD): (S.LISTENING, (D.ASK_AGAIN,)),
    (S.LISTENING, E.WITHDRAWN): (S.THINKING, (D.ANSWER,)),
    (S.HEARING, E.QUIET): (S.LISTENING, ()),
    (S.HEARING, E.STABLE): (S.HEARING, (D.PREPARE,)),
    (S.HEARING, E.FINAL): (S.THINKING, (D.ANSWER,)),
    (S.HEARING, E.PART): (S.DICTATING, (D.PREPARE,)),
    (S.HEARING, E.FINAL_MURMUR): (S.LISTENING, ()),
    (S.HEARING, E.STARTED): (S.HELD, (D.PAUSE,)),
    (S.HEARING, E.COLLIDED): (S.HELD, (D.PAUSE,)),
    (S.HEARING, E.SILENCE): (S.LISTENING, (D.REPROMPT,)),
    (S.HEARING, E.UNHEARD): (S.LISTENING, (D.ASK_AGAIN,)),
    (S.HEARING, E.WITHDRAWN): (S.THINKING, (D.ANSWER,)),
    (S.DICTATING, E.PART): (S.DICTATING, (D.PREPARE,)),
    (S.DICTATING, E.FINAL): (S.THINKING, (D.ANSWER,)),
    (S.THINKING, E.PART): (S.DICTATING, (D.DISCARD, D.PREPARE)),
    (S.THINKING, E.WORDS): (S.HEARING, (D.DISCARD,)),
    (S.THINKING, E.STABLE): (S.HEARING, (D.DISCARD, D.PREPARE)),
    (S.THINKING, E.FINAL): (S.THINKING, (D.DISCARD, D.ANSWER)),
    (S.THINKING, E.STARTED): (S.SPEAKING, ()),
    (S.THINKING, E.COLLIDED): (S.HELD, (D.PAUSE,)),
    (S.THINKING, E.DONE): (S.LISTENING, ()),
    (S.SPEAKING, E.ONSET): (S.HELD, (D.PAUSE,)),
    (S.SPEAKING, E.WORDS): (S.HEARING, (D.CUT,)),
    (S.SPEAKING, E.STABLE): (S.HEARING, (D.CUT, D.PREPARE)),
    (S.SPEAKING, E.FINAL): (S.THINKING, (D.CUT, D.ANSWER)),
    (S.SPEAKING, E.PART): (S.DICTATING, (D.CUT, D.PREPARE)),
    (S.SPEAKING, E.DONE): (S.LISTENING, ()),
    (S.HELD, E.WORDS): (S.HEARING, (D.CUT,)),
    (S.HELD, E.STABLE): (S.HEARING, (D.CUT, D.PREPARE)),
    (S.HELD, E.FINAL): (S.THINKING, (D.CUT, D.ANSWER)),
    (S.HELD, E.PART): (S.DICTATING, (D.CUT, D.PREPARE)),
    (S.HELD, E.FINAL_MURMUR): (S.SPEAKING, (D.RESUME,)),
    (S.HELD, E.UNCONFIRMED): (S.SPEAKING, (D.RESUME,)),
    (S.HELD, E.DONE): (S.LISTENING, (D.RESUME,)),
    (S.ANNOUNCING, E.FINAL): (S.THINKING, (D.ANSWER,)),
    (S.ANNOUNCING, E.DONE): (S.LISTENING, (D.GREET,)),
    (S.CLOSING, E.DONE): (S.ENDED, (D.END,)),
}
"""A missing cell means that the event changes nothing there."""

TIMEOUTS = {
    S.LISTENING: E.SILENCE,
    S.HEARING: E.SILENCE,
    S.DICTATING: E.FINAL,
    S.SPEAKING: E.ONSET,
    S.HELD: E.UNCONFIRMED,
    S.CLOSING: E.DONE,
}
"""What happens when nothing happens for long enough."""
