"""The sound that another STT would have to hear again, and whether the present one seems to hear."""

import pytest

from agent.providers.failover import FailoverOptions
from agent.providers.failover_stt import Kept
from agent.stt import Transcript

QUIET = b"\xff" * 800


def test_the_silence_after_which_stt_end_turns_is_asked_for_only_when_a_turn_seems_stuck() -> None:
    kept, asked = Kept(FailoverOptions()), []

    def longest() -> float:
        asked.append(1)
        return 10.0

    kept.note(Transcript("I want", False, False, 0.4))
    assert [kept.hear(QUIET, longest) for _ in range(69)] == [""] * 69
    assert not asked, "a piece of sound comes up to fifty times a second"
    found = [kept.hear(QUIET, longest) for _ in range(51)]
    assert set(found[:-1]) == {""}
    assert found[-1] == "did not end a turn for 12 s"
    assert asked


@pytest.mark.parametrize("quiet", range(15))
@pytest.mark.parametrize(("slots", "spoken"), [(25, False), (35, True)])
def test_only_the_loud_part_of_a_piece_is_speech(quiet: int, slots: int, spoken: bool) -> None:
    """A noise of half a second over the agent's words, of which no STT would report anything, is not a deaf STT."""
    kept, loud = Kept(FailoverOptions()), b"\x20\xa0" * 80
    pieces = [QUIET[:160] * quiet + loud, *[loud] * (slots - 1), *[QUIET] * 20]
    assert any(map(kept.hear, pieces)) is spoken
