# mypy: disable-error-code="arg-type, return-value"
"""`sipgw eval`: what counts as heard, as expected, as judged; the project's own set with the embedded parts."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from math import inf
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from agent.errors import ProviderError
from agent.llm import Piece, Text
from agent.providers.local import models
from agent.records import ToolRun
from agent.stt import Transcript
from agent.turn_taking.expect import OPEN, Expected
from agent.ulaw import from_linear
from sipgw.cli.main import app
from sipgw.tools.evaluation import recognition
from sipgw.tools.evaluation.conversation import ConversationLog, unexpected
from sipgw.tools.evaluation.eval_set import (
    CallOptions,
    EntityOptions,
    EvalError,
    EvalSet,
    Kind,
    UtteranceOptions,
    read_set,
)
from sipgw.tools.evaluation.judge import judged
from sipgw.tools.evaluation.recognition import hear
from sipgw.tools.evaluation.words import compared, contains, plain
from sipgw.tools.simulate.verdict import CallVerdict, TurnVerdict
from tests.fakes.assemblyai import FakeAssemblyAI, Said
from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.openai import FakeOpenAI, Reply
from tests.virtual import run

HERE = Path(__file__).parent
TONE = from_linear(b"\x00\x20\x00\xe0" * 4000)
"""One second."""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Seven 34, please.", "7 3 4 please"),
        ("order 7-3-4-6", "order 7 3 4 6"),
        ("the third of March", "the 3 of march"),
        ("the 3rd of March", "the 3 of march"),
        ("two hundred and fifty dollars", "2 5 0 dollars"),
        ("$250", "2 5 0 dollars"),
        ("That's it", "thats it"),
        ("", ""),
    ],
)
def test_numbers_are_the_same_however_they_are_written(text: str, words: str) -> None:
    assert " ".join(plain(text)) == words


def test_words_and_entities_that_are_wrong() -> None:
    code, name = EntityOptions("code", ("7346",)), EntityOptions("name", ("Anna Schmidt", "Anna Schmid"))
    right = compared("Anna Schmidt, seven three four six", "anna schmid 7346", (code, name))
    assert (right.wrong, right.words, right.missed) == (1, 6, ())
    wrong = compared("Anna Schmidt, seven three four six", "a smith, 7 3 9 6 then", (code, name))
    assert wrong.missed == (code, name)
    assert wrong.wrong == 4
    assert compared("yes", "", ()).wrong == 1


@pytest.mark.parametrize(
    ("heard", "form", "found"),
    [
        ("it costs $250", "$50", False),
        ("115 dollars", "15 dollars", False),
        ("1 7 3 4 6 8", "7346", False),
        ("7346 8", "7346", False),
        ("we planned it", "Ann", False),
        ("order 73 46, please", "7346", True),
        ("a blue rain coat", "raincoat", True),
        ("", "Ann", False),
    ],
)
def test_a_part_of_a_number_or_of_a_word_is_not_what_was_said(heard: str, form: str, found: bool) -> None:
    assert contains(heard, form) is found


WANTED = EvalSet(calls=(CallOptions("x"),), forbidden=("guarantee",))
LOOKED_UP = ToolRun("get_order_status", {"order_number": "7346"}, {"item": "a blue raincoat"})
VERDICT = CallVerdict(0.1, 0.2, (TurnVerdict("said 'hi'", 1.0, 1.2, None, ""),), (), 0, 100, 0, "BYE")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (CallOptions("x", tools=("cancel",)), "cancel was not called"),
        (CallOptions("x", says=("refund",)), "the agent never said 'refund'"),
        (CallOptions("x", never=("order",)), "the agent said 'order'"),
        (CallOptions("x", handed_over=True), "the caller was not handed over"),
        (CallOptions("x", within=1.0), "said 'hi': answered after 1.20 s, not within 1 s"),
        (CallOptions("x"), "the agent said 'guarantee'"),
    ],
)
def test_what_is_not_as_expected(options: CallOptions, fault: str) -> None:
    happened = ConversationLog([("agent", "Your order comes, I guarantee."), ("caller", "refund")], runs=[LOOKED_UP])
    assert fault in unexpected(options, happened, VERDICT, WANTED)


def test_what_is_as_expected() -> None:
    happened = ConversationLog([("agent", "Your reorder comes."), ("caller", "guarantee")], runs=[LOOKED_UP])
    options = CallOptions(
        "x", tools=("get_order_status",), says=("comes",), never=("order",), handed_over=False, within=1.5
    )
    assert unexpected(options, happened, VERDICT, WANTED) == []


class Says:
    name = "judge"

    def __init__(self, *pieces: str | ProviderError) -> None:
        self.pieces, self.asked = pieces, list[Any]()

    async def reply(self, messages: Sequence[Any], tools: Sequence[Any]) -> AsyncGenerator[Piece, None]:
        self.asked = list(messages)
        for piece in self.pieces:
            if isinstance(piece, ProviderError):
                raise piece
            yield Text(piece)

    async def close(self) -> None: ...


def test_the_judge_says_yes_or_why_not() -> None:
    llm = Says('```json\n{"yes": tr', 'ue, "reason": "it did"}\n```')
    assert asyncio.run(judged(llm, "Did it greet?", "agent: hello")) == ""
    assert "Did it greet?" in llm.asked[-1]["content"] and "agent: hello" in llm.asked[-1]["content"]
    assert asyncio.run(judged(Says('{"yes": false, "reason": "It was rude."}'), "?", "")) == "It was rude."
    assert asyncio.run(judged(Says('{"yes": "true"}'), "?", "")) == "no"


@pytest.mark.parametrize("said", ["yes, surely", "[]", '{"no": 1}', ""])
def test_a_judge_that_does_not_judge_is_no_verdict(said: str) -> None:
    with pytest.raises(EvalError, match="did not answer in JSON"):
        asyncio.run(judged(Says(said), "?", ""))
    with pytest.raises(EvalError, match="failed: judge: quota"):
        asyncio.run(judged(Says(ProviderError("judge", "quota", temporary=False)), "?", ""))


class Scripted:
    """STT that understands after so many seconds of sound."""

    name, ends_turns, longest_silence = "scripted", True, inf

    def __init__(self, finals: dict[float, str], fault: str = "") -> None:
        self.finals, self.fault, self.heard = finals, fault, 0
        self.queue: asyncio.Queue[Transcript | None] = asyncio.Queue()

    async def open(self) -> None:
        if self.fault:
            raise ProviderError(self.name, self.fault, temporary=False)

    def send_audio(self, ulaw: bytes) -> None:
        before, self.heard = self.heard / 8000, self.heard + len(ulaw)
        for at, text in self.finals.items():
            if before < at <= self.heard / 8000:
                self.queue.put_nowait(Transcript(text, True, False, at))

    def expect(self, said: str, wanted: Expected = OPEN) -> None: ...

    async def events(self) -> Any:
        while event := await self.queue.get():
            yield event

    async def close(self) -> None:
        self.queue.put_nowait(None)


def test_an_utterance_that_is_cut_in_two_is_put_together_and_timed_to_the_last_word() -> None:
    stt = Scripted({0.6: "seven three", 1.9: "four six"})
    found = run(hear(lambda: stt, UtteranceOptions("seven three four six"), TONE + b"\xff" * 4000))
    assert found.heard.text == "seven three four six" and found.heard.wrong == 0
    assert found.seconds == pytest.approx(0.9, abs=0.07)
    assert found.listened == pytest.approx(1.9 + 1.5, abs=0.2)


def test_stt_that_hear_nothing_or_fail_are_no_endless_wait() -> None:
    found = run(hear(lambda: Scripted({}), UtteranceOptions("yes"), TONE))
    assert (found.seconds, found.heard.wrong, found.fault) == (None, 1, "")
    assert found.listened < 15
    found = run(hear(lambda: Scripted({}, "no such key"), UtteranceOptions("yes"), TONE))
    assert found.fault == "scripted: no such key"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a set has from 1 to 5000"),
        ('[[utterances]]\ntxt = "a"', "eval.toml:2: utterances.0.txt: unknown key 'txt'; did you mean 'text'?"),
        ('[[calls]]\nscenario = "nowhere.toml"', "cannot read"),
        ('[[utterances]]\ntext = "a"\nwav = "nowhere.wav"', "nowhere.wav"),
        ("[[", "eval.toml: "),
    ],
)
def test_a_set_that_cannot_be_used_is_one_line_and_exit_2(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "eval.toml").write_text(text)
    ran = CliRunner().invoke(app, ["eval", str(tmp_path / "eval.toml")], env={"COLUMNS": "300"})
    assert ran.exit_code == 2
    assert told in ran.output and ran.output.strip().count("\n") == 0


def test_a_configuration_or_a_judge_that_cannot_be_used_is_one_line_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "set.toml").write_text('[[utterances]]\ntext = "a"')
    (tmp_path / "own.toml").write_text('[agent]\nstt = "local"\nllm = "local"\ntts = "local"')
    for arguments, told in (
        (["-c", "nowhere.toml"], "cannot read nowhere.toml"),
        (["--judge", str(tmp_path / "own.toml")], "a judge needs a language model"),
    ):
        ran = CliRunner().invoke(app, ["eval", str(tmp_path / "set.toml"), *arguments], env={"COLUMNS": "300"})
        assert ran.exit_code == 2
        assert told in ran.output and ran.output.strip().count("\n") == 0


ORDER = """
[agent]
greeting = "It is on its way."
[[replies]]
says = "Yes."
[[steps]]
hang_up = true
"""
BOTH = """
name = "side by side"
[[utterances]]
wav = "ask_order.wav"
text = "where is order seven three"
entities = [{kind = "code", value = ["73"]}]
[[calls]]
scenario = "order.toml"
says = ["on its way"]
rubric = "Did the agent say when the order comes?"
"""


@pytest.mark.slow
def test_two_providers_hear_the_same_sound_side_by_side_and_a_judge_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the strict fakes; the page names for each what it misheard, what it cost and what the judge said."""
    for name in ("ASSEMBLYAI_API_KEY", "DEEPGRAM_API_KEY", "OPENAI_API_KEY", "ELEVENLABS_API_KEY"):
        monkeypatch.setenv(name, "hush")

    async def compare() -> Any:
        async with (
            FakeAssemblyAI([Said("where is order seven three", 200, 1500)], key="hush") as one,
            FakeDeepgram([Said("where is order seven nine", 200, 1500)], key="hush") as other,
            FakeOpenAI([Reply(('{"yes": false, "reason": "It only said that it comes."}',))] * 2, key="hush") as judge,
        ):
            for name, key, url in (("assemblyai", "url", one.url), ("deepgram", "url", other.url)):
                (tmp_path / f"{name}.toml").write_text(
                    f'[agent]\nstt = "{name}"\nllm = "openai"\ntts = "elevenlabs"\n[{name}]\n{key} = "{url}"\n'
                    f'[openai]\nurl = "{judge.base_url}"\n[[prices]]\npart = "stt"\nname = "{name}/*"\n'
                    f'unit = "seconds"\nper = 60\nprice = 0.00{len(name)}\n'
                )
            (tmp_path / "order.toml").write_text(ORDER)
            (tmp_path / "set.toml").write_text(BOTH)
            arguments = [str(tmp_path / "set.toml"), "--html", str(tmp_path / "report.html")]
            for name in ("assemblyai", "deepgram"):
                arguments += ["-c", str(tmp_path / f"{name}.toml")]
            arguments += ["--judge", str(tmp_path / "assemblyai.toml")]
            return await asyncio.to_thread(CliRunner().invoke, app, ["eval", *arguments])  # noqa: TID251

    ran = asyncio.run(compare())
    assert ran.exit_code == 1, ran.output
    table = [" ".join(line.split()) for line in ran.output.splitlines()]
    first = next(line for line in table if line.startswith("assemblyai 0.0% 0.0%"))
    second = next(line for line in table if line.startswith("deepgram 20.0% 100.0%"))
    assert (first.split()[4], second.split()[4]) == ("0.001", "0.008"), "each has its own price"
    assert "deepgram missed code 73; heard: where is order seven nine" in table
    assert "assemblyai order.toml: the judge: It only said that it comes." in table
    page = (tmp_path / "report.html").read_text()
    assert "<del>3</del> <ins>9</ins>" in page and page.count("<audio") == 1 + 2
    assert "the judge: It only said that it comes." in page


@pytest.mark.slow
def test_the_own_set_has_thirty_utterances_and_the_embedded_parts_reach_its_goals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if models.missing() is not None:
        pytest.skip("the embedded models are not installed")
    monkeypatch.setattr(recognition, "LISTEN", 5.0)  # a busy machine tells words seconds late
    monkeypatch.setattr(recognition, "LONGEST", 60.0)
    wanted = read_set(HERE / "phone.toml")
    assert len(wanted.utterances) >= 30
    assert {entity.kind for one in wanted.utterances for entity in one.entities} >= {"name", "code", "amount", "date"}
    (tmp_path / "embedded.toml").write_text('[agent]\nstt = "local"\nllm = "local"\ntts = "local"\n')
    report = tmp_path / "report.html"
    ran = CliRunner().invoke(
        app, ["eval", str(HERE / "phone.toml"), "-c", str(tmp_path / "embedded.toml"), "--json", "--at-once", "6",
              "--html", str(report)],
    )  # fmt: skip
    found = json.loads(ran.stdout)
    (one,) = found["contestants"]
    assert ran.exit_code == 0, (one["short_of"], [call["faults"] for call in one["calls"]])
    assert one["words_wrong"] > 0, "nobody hears everything: the comparison does not compare"
    assert one["stt_per_minute"] == 0 == one["call_per_minute"]
    (call,) = one["calls"]
    assert "blue raincoat" in call["conversation"] and call["tools"][0] == "get_order_status"
    page = report.read_text()
    assert page.count("<audio") == len(wanted.utterances) + 1
    assert "http" not in page


def test_the_set_of_the_documentation_is_valid(tmp_path: Path) -> None:
    text = (HERE.parents[2] / "docs" / "eval.md").read_text()
    block, _, dialogues = re.findall(r"^```toml[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "set.toml").write_text(dialogues)
    assert read_set(tmp_path / "set.toml").by_ear.digits == 4
    (tmp_path / "set.toml").write_text(block)
    found = read_set(tmp_path / "set.toml")
    assert found.calls[0].within == 2.0
    assert found.utterances[1].entities[0].kind == "name"
    for kind in get_args(Kind):
        assert f"`{kind}`" in text
