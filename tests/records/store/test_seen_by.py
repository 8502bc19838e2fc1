"""A tenant is shown neither trunks nor folders nor alarms, wherever they stand in a record or an event."""

from sipgw.records.store.seen_by import seen_by


def test_the_beginning_of_a_value_that_was_too_large_is_left_out() -> None:
    assert seen_by({"media": {"cut": '{"legs": [{"trunk": "poison"'}}, "acme") == {"media": {"cut": ""}}


def test_what_is_the_operators_is_left_out_at_every_depth() -> None:
    costs = {"trunk": 0.5, "used": {"trunk poison seconds": 2.0, "trunk other seconds": 1.0}, "estimated": ()}
    record = {
        "trunk": "poison", "recording": "/vault/a.wav",
        "media": {"recording": {"file": "/vault/a.wav", "size": 1}, "legs": [{"trunk": "poison", "sent": 9}]},
        "costs": costs, "events": [{"kind": "alarm"}, {"kind": "turn"}], "turns": [{"caller": "/vault/"}],
    }  # fmt: skip
    told = {"about": {"trunk": "poison"}, "data": record, "event": "ended"}
    assert seen_by(told, "") is told
    assert seen_by(told, "acme") == {
        "about": {"trunk": ""}, "event": "ended",
        "data": {
            "trunk": "", "recording": "a.wav",
            "media": {"recording": {"file": "a.wav", "size": 1}, "legs": [{"trunk": "", "sent": 9}]},
            "costs": {"trunk": 0.5, "used": {"trunk seconds": 3.0}, "estimated": []}, "events": [{"kind": "turn"}],
            "turns": [{"caller": "/vault/"}],
        },
    }  # fmt: skip
