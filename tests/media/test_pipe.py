"""The gateway's end of the pipe to a media process."""

from unittest.mock import Mock

import pytest

from media.process.supervisor import _Pipe
from media.process.wire import Kind, Message


def order(number: int) -> bytes:
    return Message(Kind.PAUSE, number).encode()


def messages(*numbers: int) -> bytes:
    return b"".join(Message(Kind.SOUND, number).encode() for number in numbers)


def test_orders_that_the_messages_of_a_read_bring_about_leave_by_one_write() -> None:
    pipe, transport = _Pipe(lambda message: pipe.write(order(message.channel))), Mock()
    pipe.connection_made(transport)
    pipe.data_received(messages(1, 2))
    transport.write.assert_called_once_with(order(1) + order(2))
    pipe.write(order(3))
    assert transport.write.call_args.args == (order(3),)


def test_orders_leave_although_what_follows_in_the_read_is_no_message() -> None:
    pipe, transport = _Pipe(lambda message: pipe.write(order(message.channel))), Mock()
    pipe.connection_made(transport)
    with pytest.raises(ValueError, match="bytes on the media pipe"):
        pipe.data_received(messages(1) + b"\xff" * 9)
    transport.write.assert_called_once_with(order(1))


def test_orders_that_have_not_left_yet_wait_for_the_media_process_too() -> None:
    waiting: list[int] = []

    def take(message: Message) -> None:
        pipe.write(order(message.channel))
        waiting.append(pipe.waiting)

    pipe, transport = _Pipe(take), Mock()
    transport.get_write_buffer_size.return_value = 1000
    pipe.connection_made(transport)
    pipe.data_received(messages(1, 2))
    assert waiting == [1000 + len(order(1)), 1000 + len(order(1) + order(2))]
    assert pipe.waiting == 1000


def test_a_read_without_orders_writes_nothing() -> None:
    taken: list[int] = []
    pipe, transport = _Pipe(lambda message: taken.append(message.channel)), Mock()
    pipe.connection_made(transport)
    pipe.data_received(messages(1))
    assert taken == [1]
    transport.write.assert_not_called()
