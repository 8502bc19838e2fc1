"""The dialogues of `tests/data/forms`, word for word as they are written."""

from pathlib import Path

import pytest

from tests.agent.forms.dialogue import FILES, Scribe, hold_dialogue


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dialogue_ends_with_what_the_caller_meant(path: Path) -> None:
    heard = hold_dialogue(path)
    assert heard.right
    assert heard.misheard == ()


def test_a_caller_who_never_hears_what_they_mean_confirms_nothing() -> None:
    path = next(one for one in FILES if one.stem == "email_spelled")
    heard = hold_dialogue(path, lambda said, kind: said.replace("A N N A", "H A N N A"))
    assert (heard.right, heard.wrong) == (False, False)
    assert heard.misheard


def test_there_are_twenty() -> None:
    assert len(FILES) == 20
    assert Scribe([]).open is None
