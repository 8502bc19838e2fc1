"""The AssemblyAI protocol without input and output: frames, positions, replay."""

import json

import pytest

from agent.providers.assemblyai_session import AssemblyAIOptions, AssemblyAISttSession
from agent.stt import Onset


def started(**options) -> AssemblyAISttSession:
    session = AssemblyAISttSession(AssemblyAIOptions(**options))
    session.begin()
    return session


def numbered(seconds: float) -> bytes:
    """Sound in which each block of 8 samples (1 ms) differs from its neighbours."""
    return b"".join((n % 65536).to_bytes(2, "big") * 4 for n in range(round(seconds * 1000)))


def frames(session: AssemblyAISttSession) -> list[bytes]:
    found = []
    while (frame := session.backlog.next_frame()) is not None:
        found.append(frame)
    return found


def onset(session: AssemblyAISttSession, milliseconds: object):
    return session.receive(json.dumps({"type": "SpeechStarted", "timestamp": milliseconds}))


def turn(session: AssemblyAISttSession, text: str, start: int, end: int, **fields):
    words = [{"text": text, "start": start, "end": end}]
    message = {"type": "Turn", "turn_order": 0, "transcript": text, "end_of_turn": False, "words": words}
    return session.receive(json.dumps({**message, **fields}))


def test_no_frame_before_there_is_sound_for_one():
    session = started()
    session.backlog.add(bytes(399))
    assert session.backlog.next_frame() is None
    session.backlog.add(bytes(1))
    assert session.backlog.next_frame() == bytes(400)


def test_a_backlog_goes_in_frames_of_at_most_one_second():
    session = started()
    session.backlog.add(numbered(2.5))
    sizes = [len(frame) for frame in frames(session)]
    assert sizes == [8000, 8000, 4000]
    session.backlog.add(numbered(0.02))
    assert frames(session) == []
    assert session.backlog.tail() == numbered(0.02).ljust(400, b"\xff")


def test_positions_stay_true_after_sound_was_dropped():
    """8 s come in one go, the first 3 are dropped: what the server calls 1.0 s was said at 4.0 s."""
    session = started()
    for at in range(0, 64000, 8000):
        session.backlog.add(numbered(8)[at : at + 8000])
    sent = b"".join(frames(session))
    assert session.backlog.dropped == 24000
    assert sent == numbered(8)[24000 : 24000 + len(sent)]
    assert onset(session, 1000) == Onset(4.0)


def test_sound_that_is_heard_again_is_not_dropped():
    session = started()
    session.backlog.add(numbered(20))
    for at in range(0, 24000, 800):
        session.backlog.add(numbered(3)[at : at + 800])
    assert session.backlog.dropped == 0
    assert b"".join(frames(session)).startswith(numbered(20))


def test_positions_go_on_over_a_new_session_that_hears_the_open_turn_again():
    session = started()
    session.backlog.add(numbered(4))
    frames(session)
    assert onset(session, 3000) == Onset(3.0)
    session.begin()
    assert b"".join(frames(session)).startswith(numbered(4)[20000:21000])  # from 0.5 s before the onset
    assert onset(session, 500) == Onset(3.0)


def test_words_of_a_finished_turn_are_not_heard_again():
    session = started()
    session.backlog.add(numbered(3))
    frames(session)
    assert turn(session, "Yes.", 2000, 2900, end_of_turn=True).final
    session.begin()
    assert b"".join(frames(session)) == numbered(3)[23200:]  # the 0.1 s after the last word


def test_attempts_in_a_row_do_not_go_further_back():
    session = started()
    session.backlog.add(numbered(4))
    frames(session)
    for _ in range(3):
        session.begin()
    assert b"".join(frames(session)).startswith(numbered(4)[32000 - 12000 : 32000 - 11000])


def test_a_final_is_reported_once_though_the_server_repeats_it_formatted():
    session = started(model="universal-streaming-english")
    session.backlog.add(numbered(2))
    frames(session)
    assert turn(session, "yes", 0, 900, end_of_turn=True).text == "yes"
    assert turn(session, "Yes.", 0, 900, end_of_turn=True, turn_is_formatted=True) is None
    assert turn(session, "no", 1000, 1500, turn_order=1).text == "no"


@pytest.mark.parametrize(
    ("text", "end", "confidence", "eager"),
    [
        ("My number is 7346", 1500, 0, True),  # half a second of silence after it
        ("My number is 7346—", 1500, 0, False),
        ("My number is 7346,", 1500, 0, False),
        ("My number is 7346", 1950, 0, False),  # still speaking
        ("My number is 7346", 1950, 0.8, True),
        ("My number is 7346", 1500, 0.2, False),
    ],
)
def test_which_partials_of_universal_3_are_eager(text, end, confidence, eager):
    session = started()
    session.backlog.add(numbered(1.98))
    frames(session)
    assert turn(session, text, 200, end, end_of_turn_confidence=confidence).eager is eager


@pytest.mark.parametrize("utterance", ["", "yes please"])
def test_a_completed_utterance_of_universal_streaming_is_eager(utterance):
    session = started(model="universal-streaming-english")
    session.backlog.add(numbered(2))
    frames(session)
    assert turn(session, "yes please", 0, 900, utterance=utterance).eager is bool(utterance)


@pytest.mark.parametrize("timestamp", [None, "1", -1, float("nan"), float("inf"), 1e300, [], {}])
def test_times_that_cannot_be_are_counted(timestamp):
    session = started()
    session.backlog.add(numbered(1))
    frames(session)
    assert onset(session, timestamp) is None
    assert session.ignored == 1
