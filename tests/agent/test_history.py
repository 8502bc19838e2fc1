"""The memory of a call: what was heard, and nothing else."""

import pytest

from agent.history import History, Sentence, heard_part
from agent.line import Finished, Heard
from agent.llm import ToolCall
from agent.speech_output import SpeechOutput
from tests.fakes.line import FakeLine, FakeTts

TEXT = "Your order is out for delivery."


def said(history: History, *texts: str, first: int = 1, per_letter: int = 100):
    entry = history.say()
    for number, text in enumerate(texts, start=first):
        entry.sentences.append(Sentence(number, text, samples=per_letter * len(text), complete=True))
    return entry


@pytest.mark.parametrize(
    ("letters", "heard"),
    [
        (0, ""),
        (3, ""),
        (4, "Your —"),
        (9, "Your —"),
        (10, "Your order —"),
        (17, "Your order is out —"),
        (30, "Your order is out for —"),
        (31, TEXT),
        (99, TEXT),
    ],
)
def test_a_sentence_is_cut_at_the_last_whole_word(letters: int, heard: str) -> None:
    sentence = Sentence(1, TEXT, samples=100 * len(TEXT), complete=True)
    assert heard_part(sentence, 100 * letters) == heard


def test_while_it_is_still_synthesised_the_length_is_estimated() -> None:
    sentence = Sentence(1, TEXT, samples=800, complete=False)
    assert heard_part(sentence, 800) == ""
    assert heard_part(sentence, 520 * 10) == "Your order —"


def test_cutting_keeps_what_was_heard_before_and_drops_what_comes_after() -> None:
    history = History("p")
    history.ask("hi")
    said(history, "One here.", "Two there now.", "Three.")
    history.cut(Heard(2, 100 * 9))
    assert history.heard_from(1) == "One here. Two there —"
    assert history.heard_from(2) == "Two there —"
    history.ask("stop")
    said(history, "Yes?", first=4)
    history.cut(Heard(4, 10_000))
    assert [m["content"] for m in history.messages()] == ["p", "hi", "One here. Two there —", "stop", "Yes?"]


def test_what_was_played_to_its_end_is_not_cut_later() -> None:
    line = FakeLine()
    speech_output = SpeechOutput(line, FakeTts(), "en")
    sentence = speech_output.begin(TEXT)
    speech_output.play(sentence, b"\x10" * 1000)
    speech_output.finished(Finished(1, 5.0))
    history = History("p")
    history.say().sentences.append(sentence)
    history.cut(Heard(1, 0))
    assert history.heard_from(1) == TEXT


def test_of_a_sentence_at_which_the_voice_broke_off_only_the_sounded_part_counts() -> None:
    broken, silent = Sentence(1, TEXT, samples=520 * 10), Sentence(2, TEXT)
    broken.played()
    silent.played()
    assert broken.counted == "Your order —"
    assert silent.counted == ""


def test_an_answer_of_which_nothing_was_heard_leaves_one_longer_question() -> None:
    history = History("p")
    history.ask("my number is")
    said(history, "What?")
    history.cut(Heard(0, 0))
    assert history.ask("seven") == "my number is seven"
    assert [m["content"] for m in history.messages()] == ["p", "my number is seven"]


def test_messages_for_a_guess_do_not_change_the_memory() -> None:
    history = History("p")
    history.ask("one")
    assert history.messages("two")[-1] == {"role": "user", "content": "one two"}
    assert history.messages()[-1] == {"role": "user", "content": "one"}


def test_every_tool_call_has_its_result_even_while_it_runs() -> None:
    history = History("p")
    history.ask("look")
    entry = said(history, "Moment.")
    entry.calls = [ToolCall("a", "x", "{}"), ToolCall("b", "y", "{}")]
    entry.results["b"] = '"done"'
    messages = history.messages()
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "tool"]
    assert "still running" in messages[3]["content"]
    assert messages[4] == {"role": "tool", "tool_call_id": "b", "content": '"done"'}
    history.cut(Heard(0, 0))
    assert history.messages()[2]["content"] is None


def test_sound_that_covered_a_stall_counts_for_no_words() -> None:
    sentence = Sentence(1, "It left our warehouse.", samples=12 * 400)
    sentence.cover(8000)
    sentence.samples = 22 * 400
    sentence.complete = True
    assert sentence.spoken(12 * 400 + 5000) == 12 * 400
    history = History("")
    history.say().sentences.append(sentence)
    history.cut(Heard(1, 12 * 400 + 5000))
    assert sentence.heard == "It left our —"
