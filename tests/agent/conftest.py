"""What holds for the tests of conversations."""

import pytest

from agent.hearing.voice import Pitch


@pytest.fixture(autouse=True)
def voices_by_pitch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The callers of scripts make tones, in which a model hears no voice."""
    if "hearing" not in request.path.parts:
        monkeypatch.setattr("agent.hearing.caller.make_judge", Pitch)
