"""One line in the audit log for all pieces of a recording that somebody plays."""

from sipgw.bounds import FULL
from sipgw.web.principal import Principal
from sipgw.web.recent_listeners import LATELY, MOST, RecentListeners

ANN, OTHER = Principal.named("ann"), Principal.named("ann", "books")


def test_pieces_of_one_recording_are_one_line_for_each_person_and_a_whole_one_always_has_one() -> None:
    listened = RecentListeners()
    assert listened.anew(ANN, "a@1", 0, whole=False)
    assert not listened.anew(ANN, "a@1", LATELY - 1, whole=False)
    assert listened.anew(OTHER, "a@1", 1, whole=False), "another person of that name"
    assert listened.anew(ANN, "b@1", 1, whole=False)
    assert listened.anew(ANN, "a@1", 2, whole=True)
    assert not listened.anew(ANN, "a@1", LATELY + 1, whole=False), "the player seeks in what it has a line for"
    assert listened.anew(ANN, "a@1", LATELY + 2, whole=False)


def test_who_is_forgotten_gets_a_line_more() -> None:
    listened, before = RecentListeners(), FULL["listeners of recordings"]
    for number in range(MOST + 1):
        assert listened.anew(ANN, str(number), number / MOST, whole=False)
    assert FULL["listeners of recordings"] == before + 1
    assert listened.anew(ANN, "0", 2, whole=False) and not listened.anew(ANN, str(MOST), 2, whole=False)
