"""Server-sent events, however the bytes are cut."""

import pytest

from agent.providers.sse import MAX_EVENT, Events, TooLongError

STREAM = (
    b': comment\r\n\r\nevent: x\r\ndata: {"a": "\xc3\xa9"}\r\n\r\ndata:one\ndata: two\nid: 3\n\n\n\ndata: [DONE]\n\n'
)
TEXTS = ['{"a": "é"}', "one\ntwo", "[DONE]"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(STREAM)])
def test_events_are_the_same_however_the_bytes_are_cut(size: int) -> None:
    events, found = Events(), []
    for at in range(0, len(STREAM), size):
        found += events.feed(STREAM[at : at + size])
    assert found == TEXTS
    assert events.end() == []


def test_the_last_event_may_lack_its_empty_line() -> None:
    events = Events()
    assert events.feed(b"data: a") == []
    assert events.end() == ["a"]


@pytest.mark.parametrize("piece", [b"x" * 20_000, b"data: " + b"x" * 20_000 + b"\n"])
def test_an_event_without_end_is_a_fault(piece: bytes) -> None:
    events = Events()
    with pytest.raises(TooLongError):
        for _ in range(2 * MAX_EVENT // 20_000):
            events.feed(piece)
