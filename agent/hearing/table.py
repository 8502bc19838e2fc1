"""The state table of a caller's sound."""

from enum import Enum

from agent.hearing.changes import Kind


class State(Enum):
    """The class of the sound on the line."""

    QUIET = "nothing louder than the noise and the echo"
    SOUND = "a sound that is not decided yet"
    AGAIN = "a sound that was not the caller, but may be now"
    DOUBTFUL = "probably the caller"
    VOICE = "the caller"
    NOISE = "not the caller"


QUIET, SOUND, AGAIN, DOUBTFUL, VOICE, NOISE = State
"""Names of the members: each slot needs several, and Python 3.11 runs code of `enum` to find `State.QUIET`."""
VOICES, UNDECIDED = (DOUBTFUL, VOICE), (SOUND, AGAIN)


class Event(Enum):
    """The result of one slot of sound."""

    LOUD = "there is a sound"
    ENOUGH = "it was a voice for long enough, and certainly one"
    PROBABLY = "it was a voice for long enough, and probably one"
    CLEAR = "it has become certain that it is a voice"
    REFUSED = "it is not the caller's voice"
    RETRY = "it goes on, or has become louder: worth another look"
    SHORT = "it is over, and was a voice for a short time"
    OVER = "it is over"


S, E, K = State, Event, Kind
TABLE: dict[tuple[State, Event], tuple[State, Kind | None]] = {
    (S.QUIET, E.LOUD): (S.SOUND, None),
    (S.SOUND, E.ENOUGH): (S.VOICE, K.VOICE_STARTED),
    (S.SOUND, E.PROBABLY): (S.DOUBTFUL, K.VOICE_STARTED),
    (S.SOUND, E.REFUSED): (S.NOISE, K.NOISE),
    (S.SOUND, E.SHORT): (S.QUIET, K.SHORT_VOICE),
    (S.SOUND, E.OVER): (S.QUIET, K.NOISE),
    (S.AGAIN, E.ENOUGH): (S.VOICE, K.VOICE_STARTED),
    (S.AGAIN, E.PROBABLY): (S.DOUBTFUL, K.VOICE_STARTED),
    (S.AGAIN, E.REFUSED): (S.NOISE, None),
    (S.AGAIN, E.SHORT): (S.QUIET, K.SHORT_VOICE),
    (S.AGAIN, E.OVER): (S.QUIET, None),
    (S.NOISE, E.RETRY): (S.AGAIN, None),
    (S.NOISE, E.OVER): (S.QUIET, None),
    (S.DOUBTFUL, E.CLEAR): (S.VOICE, K.VOICE_CERTAIN),
    (S.DOUBTFUL, E.REFUSED): (S.NOISE, K.VOICE_ENDED),
    (S.DOUBTFUL, E.OVER): (S.QUIET, K.VOICE_ENDED),
    (S.VOICE, E.REFUSED): (S.NOISE, K.VOICE_ENDED),
    (S.VOICE, E.OVER): (S.QUIET, K.VOICE_ENDED),
}
"""The next state, and the change that is told. No other event arises in a state: a missing cell is an error."""
