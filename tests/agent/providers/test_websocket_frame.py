"""The frame of a message from a client, read by the library's server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from agent.providers import websocket_frame
from agent.providers.websocket_frame import Masks, message_frame


def read(data: bytes) -> list[Frame]:
    server = Protocol(SERVER, max_size=None)
    server.receive_data(data)
    assert server.parser_exc is None
    return [event for event in server.events_received() if isinstance(event, Frame)]


@given(st.sampled_from((Opcode.TEXT, Opcode.BINARY)), st.binary(max_size=300))
def test_a_server_reads_the_message(kind: Opcode, data: bytes) -> None:
    assert read(message_frame(kind, data)) == [Frame(kind, data)]


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536, 70000])
def test_every_form_of_the_length_is_read(length: int) -> None:
    data = bytes(range(256)) * (length // 256) + bytes(length % 256)
    assert read(message_frame(Opcode.BINARY, data)) == [Frame(Opcode.BINARY, data)]


@given(st.binary(max_size=300))
def test_it_is_the_frame_that_the_library_makes_but_for_its_mask(data: bytes) -> None:
    ours, theirs = message_frame(Opcode.BINARY, data), Frame(Opcode.BINARY, data).serialize(mask=True)
    assert len(ours) == len(theirs)
    assert ours[:2] == theirs[:2]


def test_no_mask_is_used_twice_even_after_the_supply_is_used_up() -> None:
    masks = Masks()
    used = [masks.next() for _ in range(3 * websocket_frame._ASKED // 4)]
    assert all(len(mask) == 4 for mask in used)
    assert len(set(used)) > 0.99 * len(used)
