"""Whatever comes in whatever order: voices begin and end in turns, and all that is told makes sense."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.hearing.caller import CallerSound
from agent.hearing.changes import Kind
from agent.hearing.table import State
from agent.hearing.voice import Pitch
from tests.agent.hearing.lines import AGENT, played
from tests.agent.hearing.mixing import NOISES, RATE, Sound, at_level, echo, noise, to_ulaw, ulaw_clip

SPEECH = ulaw_clip("lv_0880.wav")
AGENT_SPEECH = at_level(ulaw_clip("jfk.wav")[: 3 * RATE], AGENT)
SOUNDS = ("silence", "word", "sentence", "quiet sentence", "echo", "loud noise", *NOISES)


def made(name: str, chance: np.random.Generator) -> Sound:
    """About so much sound."""
    match name:
        case "silence":
            return np.zeros(RATE)
        case "word":
            return at_level(SPEECH[:2400], -20.0)
        case "sentence":
            return at_level(SPEECH, -20.0)
        case "quiet sentence":
            return at_level(SPEECH, -33.0)
        case "echo":
            return echo(AGENT_SPEECH, chance, 0.2, 15.0)
        case "loud noise":
            return noise(chance, 1.5, -25.0)
    return NOISES[name](chance, -18.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(SOUNDS),
            st.booleans(),
            st.sampled_from([80, 160, 250, 320, 800, 4000]),
            st.sampled_from(["", "confirmed", "false_alarm", "reset"]),
        ),
        max_size=12,
    )
)
def test_voices_begin_and_end_in_turns(events: list[tuple[str, bool, int, str]]) -> None:
    subject, chance, clock = CallerSound(Pitch()), np.random.default_rng(1), 0.0
    speaking, latest = False, -1.0
    for name, agent, piece, then in [*events, ("silence", False, 800, "")]:
        sound = to_ulaw(made(name, chance))
        sent = played(AGENT_SPEECH) if agent else b""
        for at in range(0, len(sound), piece):
            part = sound[at : at + piece]
            clock += len(part) / RATE
            for change in subject.feed(part, clock, sent[at // 160 : (at + piece) // 160]):
                assert change.at <= clock + 1e-6
                assert change.at >= latest - 0.5
                latest = change.at
                if change.kind is Kind.VOICE_STARTED:
                    assert not speaking
                    assert change.evidence.seconds >= 0.1 - 1e-6
                speaking = change.kind is Kind.VOICE_STARTED or (speaking and change.kind is not Kind.VOICE_ENDED)
                assert change.kind is not Kind.VOICE_ENDED or not speaking
                assert 0.0 <= change.evidence.voice <= 1.0
                assert str(change.evidence)
            wanted = subject.wants()
            assert 0.02 <= wanted.seconds <= 0.3 and wanted.alert in (None, *range(-60, 0))
        assert subject.speaking == speaking
        if then:
            getattr(subject, then)()
    assert not speaking
    assert subject.state not in (State.SOUND, State.AGAIN)
