"""The byte stream between the gateway and its media process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.process.wire import MAX_BODY, SOUND, Kind, Message, Reader, sound

MESSAGES = st.lists(st.builds(Message, st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=300)))


@given(MESSAGES, st.lists(st.integers(1, 400)))
def test_the_messages_come_out_however_the_stream_is_cut(messages: list[Message], sizes: list[int]) -> None:
    stream, reader, found = b"".join(message.encode() for message in messages), Reader(), []  # type: ignore[var-annotated]
    for size in sizes:
        piece, stream = stream[:size], stream[size:]
        found += reader.feed(piece)
    found += reader.feed(stream)
    assert found == messages


def test_a_reader_that_is_left_goes_on_behind_the_message_that_it_has_given() -> None:
    reader, messages = Reader(), [Message(Kind.DIGIT, number, bytes(number)) for number in range(5)]
    taken = next(reader.feed(b"".join(message.encode() for message in messages)))
    assert [taken, *reader.feed(b"")] == messages


def test_a_message_that_is_too_long_is_refused() -> None:
    header = Message(Kind.SAY, 1).encode()[:-4]
    with pytest.raises(ValueError, match="a message of 1048577 bytes"):
        list(Reader().feed(header + (MAX_BODY + 1).to_bytes(4, "big")))


def test_sound_is_a_message_like_others() -> None:
    (message,) = Reader().feed(sound(7, 1.5, (3, 160), b"\x7f", b"\xff" * 160))
    assert (message.kind, message.channel, len(message.body)) == (Kind.SOUND, 7, SOUND.size + 1 + 160)
