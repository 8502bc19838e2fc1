"""What holds whatever happens, in any order. `tests.agent.turn_taking.search` tries many more calls."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.turn_taking import search
from tests.agent.turn_taking.found import FOUND
from tests.agent.turn_taking.invariants import hold
from tests.agent.turn_taking.steps import SECONDS, STEPS, USUAL, Setting, Steps

CALLS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(USUAL), st.sampled_from(USUAL), st.sampled_from(STEPS)), st.sampled_from(SECONDS)
    ),
    max_size=40,
)


@settings(max_examples=4 * settings().max_examples)
@given(CALLS, st.builds(Setting, st.booleans(), *map(st.sampled_from, search.PARTS)), st.booleans())
def test_no_word_or_key_is_lost_no_certain_voice_is_talked_over_and_every_state_ends(
    steps: Steps, setting: Setting, replies: bool
) -> None:
    hold(steps, setting, replies=replies)


@pytest.mark.parametrize(("steps", "setting", "replies"), FOUND)
def test_what_a_search_has_found_holds(steps: Steps, setting: Setting, replies: bool) -> None:
    hold(steps, setting, replies=replies)


def test_the_search_makes_a_call_shorter_as_long_as_it_still_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_after_a_key(steps: Steps, setting: Setting, *, replies: bool) -> None:
        assert ("key", "#") not in zip((one for one, _ in steps), (one for one, _ in steps[1:]), strict=False)

    monkeypatch.setattr(search, "hold", fails_after_a_key)
    steps, setting, replies = search.call_of(random.Random(1))
    steps += [("key", 6.0), ("#", 40.0), ("says", 0.5)]
    assert search.shortest(steps, setting, replies) == ([("key", 0.02), ("#", 0.02)], Setting(setting.ends_turns))


def test_the_search_prints_the_call_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(steps: Steps, setting: Setting, *, replies: bool) -> None:
        assert not any(step == "voice" for step, _ in steps), "a voice"

    assert search.search(0.0, seed=1) == 0
    monkeypatch.setattr(search, "hold", fails)
    assert search.search(1.0, seed=1) == 1
    assert "AssertionError: a voice\n    ([('voice', 0.02)], Setting(" in capsys.readouterr().out
