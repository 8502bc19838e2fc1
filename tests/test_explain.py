"""Why a call ended, in plain words: every ending has an entry of its own, and every advice can be followed."""

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from agent.records import Outcome
from sipgw.config import Config
from sipgw.evidence.explain import RULES, STATUSES, explain, findings
from sipgw.trunks.trunks import TrunkOptions

CASES = [
    ("caller_hung_up", "caller: BYE", "The caller hung up."),
    ("caller_hung_up", "caller: BYE (Q.850 cause=41 Temporary failure)", "The telephone network ended"),
    ("caller_hung_up", "caller: CANCEL", "gave up while it rang"),
    ("caller_hung_up", "no sound arrived for 30 s", "No sound arrived from the caller"),
    ("caller_hung_up", "network: session expired", "no longer answered session refreshes"),
    ("caller_hung_up", "network: ACK timeout (the 200 was never acknowledged)", "never confirmed"),
    ("caller_hung_up", "media process ended with status 1", "process that handles sound died"),
    ("caller_hung_up", "the late answer cannot be used: no codec", "agree on a codec"),
    ("agent_hung_up", "the conversation was over", "said goodbye"),
    ("silence", "the caller said nothing", "said nothing for so long"),
    ("max_duration", "the call lasted too long", "longest allowed"),
    ("transferred", "to sip:desk@pbx: 200 OK", "connected with a person"),
    ("transfer_failed", "the caller asked for a person; to sip:desk@pbx: 486 Busy Here", "was busy"),
    ("transfer_failed", "x; to sip:desk@pbx: 480 Gone", "Nobody answered"),
    ("transfer_failed", "x; to sip:desk@pbx: 404 Not Found", "does not exist"),
    ("transfer_failed", "x; to sip:desk@pbx: 405 Method Not Allowed", "does not let us transfer"),
    ("transfer_failed", "", "Connecting the caller with a person failed"),
    ("failed", "ears failed: assemblyai: 401 Unauthorized", "recogniser refused us"),
    ("failed", "model failed: openai: insufficient_quota", "language model refused us"),
    ("failed", "voice failed: elevenlabs: out of credits", "voice provider refused us"),
    ("failed", "voice failed: elevenlabs: 429 too many concurrent requests", "too many calls of ours"),
    ("failed", "model failed: openai: nothing came within 10 s", "did not answer in time"),
    ("failed", "ears failed: cannot connect to api.deepgram.com", "could not be reached"),
    ("failed", "ears failed: it broke", "speech recogniser failed"),
    ("failed", "model failed: it broke", "language model failed"),
    ("failed", "voice failed: it broke", "voice failed"),
    ("failed", "internal error: KeyError", "fault in sipgw"),
    ("failed", "network: not registered (no phone of 'ann' is registered)", "No phone of that account"),
    ("failed", "no trunk was left to try", "No trunk could take"),
    ("failed", "the answer cannot be used: no codec", "does not fit our offer"),
    ("refused", "no free pair of UDP ports between 1 and 2", "UDP ports for sound were in use"),
    ("refused", "the media process is being restarted", "was not there"),
    ("refused", "SRTP is required", "encrypted"),
    ("refused", "no common codec", "not acceptable (488)"),
    ("callee_hung_up", "caller: BYE", "person called hung up"),
    ("busy", "caller: 486 (Busy Here)", "busy"),
    ("no_answer", "caller: 480", "Nobody answered"),
    ("declined", "caller: 608 (Rejected)", "analytics service"),
    ("declined", "caller: 603 (Decline)", "declined the call"),
    ("wrong_number", "caller: 484", "incomplete"),
    ("wrong_number", "caller: 404", "no such number"),
    ("not_permitted", "the number is on the list", "Our own rules"),
    ("ended_here", "by an operator", "Somebody here hung up"),
    ("cancelled", "it was cancelled here", "Somebody here ended"),
    ("voicemail", "", "answering machine"),
    ("gateway_stopped", "the gateway was stopped", "gateway was stopped"),
    ("unheard_of", "caller: 503 (Service Unavailable)", "Overloaded"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "cause", "told"), CASES)
def test_endings(kind: str, cause: str, told: str) -> None:
    explained = explain({"kind": kind, "cause": cause})
    assert told in explained.what
    assert not cause or any(cause in evidence for evidence in explained.evidence)


def test_there_are_many_and_each_is_reached() -> None:
    reached = {explain({"kind": kind, "cause": cause}).what for kind, cause, _ in CASES}
    assert len(reached) >= 30
    assert len(RULES) >= 30
    kinds = {rule.kind for rule in RULES}
    assert all(any(rule.kind == kind and not rule.pattern for rule in RULES) for kind in kinds - {"caller_hung_up"})


def test_every_ending_that_the_code_makes_has_an_entry() -> None:
    source = "".join(path.read_text() for path in (Path(__file__).parent.parent / "sipgw").rglob("*.py"))
    made = set(re.findall(r'\bEnding\(\s*"([a-z_]+)"', source))
    made |= set(get_args(get_type_hints(Outcome)["kind"])) - {"transfer"}  # that ends as transferred or transfer_failed
    assert len(made) > 8
    assert made <= {rule.kind for rule in RULES}


def known_options() -> set[tuple[str, str]]:
    found = {("trunks", field.name) for field in fields(TrunkOptions)}
    hints = get_type_hints(Config)
    for section in fields(Config):
        hint: Any = hints[section.name]
        if is_dataclass(hint):
            found |= {(section.name, field.name) for field in fields(hint)}
    return found


def test_every_option_that_is_advised_exists() -> None:
    advice = " ".join([rule.fix for rule in RULES] + [fix for _, fix in STATUSES.values()])
    advised = re.findall(r"\[\[?([a-z]+)\]\]? ([a-z_]+)", advice)
    assert len(advised) > 10
    assert set(advised) <= known_options()


def message(status: int, method: str = "INVITE", *, out: bool = True) -> dict[str, Any]:
    start = f"SIP/2.0 {status} Because"
    return {"t": 0.0, "out": out, "start": start, "text": f"{start}\r\nCSeq: 1 {method}\r\n\r\n"}


@pytest.mark.parametrize("status", [403, 404, 407, 480, 486, 488, 503, 603])
def test_a_refused_invite_is_explained_by_its_status(status: int) -> None:
    explained = explain(None, [message(100), message(status), message(200, "BYE")])
    assert explained.what.startswith(f"We refused the call: {status}.")
    assert explained.evidence == (f"Last answer to the INVITE: {status} Because",)
    assert explain(None, [message(status, out=False)]).what.startswith("The other side refused")


def test_an_unknown_status_and_hostile_messages_are_no_fault() -> None:
    assert "699" in explain(None, [message(699)]).what
    for hostile in ({}, {"start": "SIP/2.0 999", "text": None}, {"start": None}, {"start": "\xff" * 1000}):
        assert explain(None, [hostile]).what
    assert explain({"kind": "<script>", "cause": "<script>"}).evidence == ("What the gateway noted: <script>",)


def turn(caller: str = "hello", said: str = "hi", heard: str = "hi", **latency: int) -> dict[str, Any]:
    return {"t": 5.0, "caller": caller, "said": said, "heard": heard, "interrupted": False, "latency_ms": latency}


def whole(**more: Any) -> dict[str, Any]:
    return {"answered": 1.0, "turns": [], "quality": [], "events": []} | more


def test_nothing_is_wrong_with_a_good_call() -> None:
    good = whole(turns=[turn(hearing=300, total=800)] * 3, quality=[[5.0, 4.3, 0.0, 0.002, 0.02, 0.06]])
    assert findings(good) == []
    assert findings({}) == []


def test_why_it_was_slow() -> None:
    (slow,) = findings(whole(turns=[turn(hearing=300, thinking=2200, voicing=200, total=2700)] * 3))
    assert "language model" in slow.what and "2.2 of 2.7 s" in slow.evidence[0] and "smaller" in slow.fix


def test_why_it_was_silent() -> None:
    (silent,) = findings(whole(quality=[[5.0, 0.0, 0.0, 0.0, 0.0, 0.1]] * 4))
    assert "one-way" in silent.what and "port_range" in silent.fix
    (deaf,) = findings(whole(turns=[turn(caller="")] * 3, quality=[[5.0, 4.3, 0.0, 0.002, 0.02, 0.06]]))
    assert "no word was recognised" in deaf.what
    (mute,) = findings(whole(turns=[turn(heard="")]))
    assert "never heard" in mute.what


def test_why_it_sounded_bad() -> None:
    (bad,) = findings(whole(quality=[[5.0, 4.3, 0.0, 0.002, 0.02, 0.06], [10.0, 3.1, 0.08, 0.03, 0.05, 0.06]]))
    assert "damaged" in bad.what and "8.0% loss" in bad.evidence[1]


def test_what_failed() -> None:
    (failed,) = findings(whole(events=[{"t": 3.0, "kind": "failure", "text": "The voice failed: gone"}]))
    assert failed.evidence == ("3.0 s: The voice failed: gone",)


def test_the_table_is_written_for_people() -> None:
    table = tomllib.loads((Path(__file__).parent.parent / "sipgw/evidence/endings.toml").read_text())
    for entry in [*table["ending"], *table["status"]]:
        for text in (entry["what"], entry.get("fix", "")):
            assert not text or ((text[0].isupper() or text[0] in "[`") and text.endswith((".", "?"))), text
