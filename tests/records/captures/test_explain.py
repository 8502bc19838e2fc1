"""Why a call ended, in plain words: every ending has an entry of its own, and every advice can be followed."""

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from agent.records import Outcome
from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import AccountOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.admission import LOCKED_OUT
from sipgw.records.captures.explain import (
    BLOCKED,
    MANY,
    MANY_BESIDE_SOUND,
    REFUSED,
    RULES,
    STATUSES,
    explain,
    findings,
)
from sipgw.records.cdr.writer import INTERRUPTED

CASES = [
    ("caller_hung_up", "caller: BYE", "The caller hung up."),
    ("caller_hung_up", "caller: BYE (Q.850 cause=41 Temporary failure)", "The telephone network ended"),
    ("caller_hung_up", "caller: CANCEL", "gave up while it rang"),
    ("line_lost", "no sound arrived for 30 s", "No sound arrived from the other side"),
    ("line_lost", "no sound arrived for 30 s; 900 packets came and were refused", "Sound came, but not from where"),
    ("line_lost", "network: session expired", "no longer answered session refreshes"),
    ("line_lost", "network: ACK timeout (the 200 was never acknowledged)", "never confirmed"),
    ("line_lost", "media process ended with status 1", "process that handles sound died"),
    ("line_lost", "the late answer cannot be used: no codec", "agree on a codec"),
    ("line_lost", "network: 408 (the session could not be refreshed)", "no longer answered session refreshes"),
    ("line_lost", "network: timeout", "stopped answering SIP"),
    ("line_lost", "network: connection lost", "connection to the other side was lost"),
    ("line_lost", "the browser was not heard from any more", "way to the browser broke"),
    ("caller_hung_up", "the browser hung up", "The caller hung up."),
    ("line_lost", "gateway: BYE", "hung up on the SIP side"),
    ("line_lost", "", "nobody had hung up"),
    ("agent_hung_up", "the conversation was over", "said goodbye"),
    ("silence", "the caller said nothing", "said nothing for so long"),
    ("max_duration", "the call lasted too long", "longest allowed"),
    ("transferred", "to sip:desk@pbx: 200 OK", "connected with a person"),
    ("transfer_failed", "the caller asked for a person; to sip:desk@pbx: 486 Busy Here", "was busy"),
    ("transfer_failed", "x; to sip:desk@pbx: 480 Gone", "Nobody answered"),
    ("transfer_failed", "x; to sip:desk@pbx: 404 Not Found", "does not exist"),
    ("transfer_failed", "x; to sip:desk@pbx: 405 Method Not Allowed", "does not let us transfer"),
    ("transfer_unproven", "to sip:desk@pbx: 202 passed on", "did not prove that anybody answered"),
    ("transfer_failed", "", "Connecting the caller with a person failed"),
    ("failed", "stt failed: assemblyai: 401 Unauthorized", "recogniser refused us"),
    ("failed", "llm failed: openai: insufficient_quota", "language model refused us"),
    ("failed", "tts failed: elevenlabs: out of credits", "voice provider refused us"),
    ("failed", "tts failed: elevenlabs: 429 too many concurrent requests", "too many calls of ours"),
    ("failed", "llm failed: openai: nothing came within 10 s", "did not answer in time"),
    ("failed", "stt failed: cannot connect to api.deepgram.com", "could not be reached"),
    ("failed", "stt failed: it broke", "speech recogniser failed"),
    ("failed", "llm failed: it broke", "language model failed"),
    ("failed", "tts failed: it broke", "The voice failed"),
    ("failed", "internal error: KeyError", "fault in sipgw"),
    ("failed", "network: not registered (no phone of 'ann' is registered)", "No phone of that account"),
    ("failed", "no trunk was left to try", "No trunk could take"),
    ("failed", "the answer cannot be used: no codec", "does not fit our offer"),
    ("refused", "no free pair of UDP ports between 1 and 2", "UDP ports for sound were in use"),
    ("refused", "the media process is being restarted", "was not there"),
    ("refused", "SRTP is required", "encrypted"),
    ("refused", "no common codec", "not acceptable (488)"),
    ("refused", "no c= line: nowhere to send sound to", "names no address"),
    ("refused", "no UDP port is free on any interface; see [browser] port_range", "ports for browsers"),
    ("refused", "wrong password of the account 'ann'", "the password was wrong"),
    ("refused", "an unknown account", "no account of that user name"),
    ("refused", "the account 'ann' must not come from there: see its networks", "the password was right"),
    ("refused", LOCKED_OUT, "too many wrong passwords"),
    ("refused", "the trunk has 2 calls, its max_calls", "its trunk had as many calls"),
    ("refused", "all gateways together have as many calls as its max_calls", "its trunk had as many calls"),
    ("refused", "the gateway has 500 calls, [admission] max_calls", "the gateway had as many calls"),
    ("refused", "more than 200 calls per second from this address", "too many new calls came at once"),
    ("refused", "the gateway is stopping", "was being stopped"),
    ("refused", "calls from +1900* are blocked ([limits] blocked)", "never let in"),
    ("refused", "1 at once speak at agent already ([[limits.people]])", "the number called was busy"),
    ("refused", "+1 has 1 calls at the same time ([limits] at_once_per_number)", "had other calls here"),
    ("refused", "+1 has called 2 times within 3600 s ([limits] per_number)", "had called too often"),
    ("refused", "the calls of today have taken all that they may ([limits] minutes_per_day)", "the day had taken"),
    ("refused", "for a reason that nobody has thought of", "the reason stands below"),
    ("callee_hung_up", "callee: BYE", "person called hung up"),
    ("busy", "callee: 486 (Busy Here)", "busy"),
    ("no_answer", "callee: 480", "Nobody answered"),
    ("declined", "callee: 608 (Rejected)", "analytics service"),
    ("declined", "callee: 603 (Decline)", "declined the call"),
    ("wrong_number", "callee: 484", "incomplete"),
    ("wrong_number", "callee: 404", "no such number"),
    ("not_permitted", "the number is on the list", "Our own rules"),
    ("ended_here", "by an operator", "Somebody here hung up"),
    ("cancelled", "it was cancelled here", "Somebody here ended"),
    ("voicemail", "", "answering machine"),
    ("screened", "screen: it asks for a name; nobody came within 60 s", "call screen"),
    ("no_person", "the menu repeats itself", "no person came"),
    ("gateway_stopped", "the gateway was stopped", "gateway was stopped"),
    ("interrupted", INTERRUPTED, "was killed, or its machine lost its power"),
    ("unheard_of", "callee: 503 (Service Unavailable)", "Overloaded"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["caller_hung_up", "callee_hung_up"])
@pytest.mark.parametrize(("cause", "told"), [(cause, told) for of, cause, told in CASES if of == "line_lost" and cause])
def test_a_lost_line_in_a_record_of_the_first_releases(kind: str, cause: str, told: str) -> None:
    """They called it hung up."""
    assert told in explain({"kind": kind, "cause": cause}).what


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
    assert all(any(rule.kind == kind and not rule.pattern for rule in RULES) for kind in kinds)


def test_every_ending_that_the_code_makes_has_an_entry() -> None:
    source = "".join(path.read_text() for path in (Path(__file__).parents[3] / "sipgw").rglob("*.py"))
    made = set(re.findall(r'\bEnding\(\s*"([a-z_]+)"', source))
    made |= {"interrupted"}  # written by the next start
    made |= set(get_args(get_type_hints(Outcome)["kind"])) - {"transfer"}  # that ends as transferred or transfer_failed
    assert len(made) > 8
    assert made <= {rule.kind for rule in RULES}
    page = (Path(__file__).parents[3] / "docs" / "records.md").read_text().partition("## Endings")[2]
    assert made <= set(re.findall(r"`([a-z_]+)`", page.partition("\n## ")[0]))


def known_options() -> set[tuple[str, str]]:
    found = {("trunks", field.name) for field in fields(TrunkOptions)}
    found |= {("accounts", field.name) for field in fields(AccountOptions)}
    hints = get_type_hints(GatewayConfig)
    for section in fields(GatewayConfig):
        hint: Any = hints[section.name]
        if is_dataclass(hint):
            found |= {(section.name, field.name) for field in fields(hint)}
    return found


def test_every_option_that_is_advised_exists() -> None:
    advice = " ".join([rule.fix for rule in RULES] + [fix for _, fix in [*STATUSES.values(), *REFUSED.values()]])
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


def test_a_slow_tool_is_not_blamed_on_the_model() -> None:
    looked_up = turn(hearing=300, thinking=2900, voicing=200, total=3400) | {"tools": [{"seconds": 2.4}]}
    (slow,) = findings(whole(turns=[looked_up]))
    assert "mostly waiting for a tool" in slow.what and slow.evidence[0].startswith("2.4 of 3.4 s")


def test_one_late_answer_among_quick_ones_is_told() -> None:
    quick = turn(hearing=300, thinking=200, voicing=200, total=700)
    (slow,) = findings(whole(turns=[quick, quick, turn(hearing=300, thinking=3800, voicing=200, total=4300)]))
    assert "3.8 of 4.3 s" in slow.evidence[0] and "in 1 of 3 turns" in slow.evidence[0]


def test_a_filler_is_told_as_such() -> None:
    """The model's first word, at 3.4 s, comes after the filler was begun, at 2.0 s."""
    covered = turn(hearing=300, thinking=3100, total=2300) | {"marks": [5.0, 5.3, 8.4, 7.0, 7.2, 7.3]}
    (slow,) = findings(whole(turns=[covered]))
    assert slow.evidence[0].startswith("2.0 of 2.3 s")
    assert "a filler first: the model's own words came after 3.4 s" in slow.evidence[1]


@pytest.mark.parametrize(("ours", "far", "told"), [
    ("10.0.0.7", "52.1.2.3", "nobody at 52.1.2.3 can reach it"), ("10.0.0.7", "10.0.0.9", "UDP port 20004."),
    ("52.9.9.9", "52.1.2.3", "UDP port 20004."), ("fd00::7", "[2600::1]", "nobody at [2600::1] can reach it"),
    ("nonsense", "52.1.2.3", "UDP port 20004."),
])  # fmt: skip
def test_where_the_sound_should_have_come_is_told(ours: str, far: str, told: str) -> None:
    sdp = f"c=IN IP{6 if ':' in ours else 4} {ours}\r\nm=audio 20004 RTP/AVP 0\r\n"
    sip = [message(200) | {"peer": f"{far}:5060", "text": f"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n{sdp}"}]
    (silent,) = findings(whole(quality=[[5.0, 0.0, 0.0, 0.0, 0.0, 0.1]] * 2, sip={"messages": sip}))
    given_up = explain({"kind": "line_lost", "cause": "no sound arrived for 30 s"}, sip)
    for evidence in (silent.evidence[1], given_up.evidence[1]):
        assert f"We had asked for it at {ours}" in evidence and evidence.endswith(f"{told}".rstrip(".") + ".")


def test_a_stranger_is_told_to_be_one() -> None:
    explained = explain(None, [{"start": "INVITE sip:x SIP/2.0", "out": False, "peer": "203.0.113.9:5060", "text": ""}])
    assert "no trunk or account" in explained.what and "203.0.113.9:5060" in explained.evidence[0] and explained.bad


def test_why_it_was_silent() -> None:
    (silent,) = findings(whole(quality=[[5.0, 0.0, 0.0, 0.0, 0.0, 0.1]] * 4))
    assert "could not hear" in silent.what and "port_range" in silent.fix
    (deaf,) = findings(whole(turns=[turn(caller="")] * 3, quality=[[5.0, 4.3, 0.0, 0.002, 0.02, 0.06]]))
    assert "no word was recognised" in deaf.what
    (mute,) = findings(whole(turns=[turn(heard="")]))
    assert "never heard" in mute.what


def test_why_it_was_silent_half_way() -> None:
    heard = [[5.0, 4.3, 0.0, 0.002, 0.02, 0.06], [10.0, 0.0, 0.0, 0.0, 0.0, 0.1]]
    (lost,) = findings(whole(quality=heard, media={"unheard": 12.5}))
    assert "first and then did not" in lost.what and "for 12 s" in lost.evidence[0] and "firewall" in lost.fix
    deaf, refused = of_sources(source("unauthentic"), quality=heard, unheard=12.5)
    assert "first and then did not" in deaf.what and "267 packets" in deaf.evidence[1] and deaf.fix == refused.fix


def test_why_it_sounded_bad() -> None:
    (bad,) = findings(whole(quality=[[5.0, 4.3, 0.0, 0.002, 0.02, 0.06], [10.0, 3.1, 0.08, 0.03, 0.05, 0.06]]))
    assert "damaged" in bad.what and "8.0% loss" in bad.evidence[1]


BEGAN = "2026-11-23T12:00:00+00:00"
ZERO = 1_795_435_200.0
"""The same in Unix time."""


def source(reason: str = "foreign", packets: int = 267, **more: Any) -> dict[str, Any]:
    one = {"host": "10.0.0.9", "port": 4002, "reason": reason, "packets": packets, "first": ZERO + 3, "last": ZERO + 8}
    return one | {
        name: ZERO + value if name in ("announced", "left", "first") else value for name, value in more.items()
    }


def of_sources(*sources: dict[str, Any], unheard: float = 0.0, **more: Any) -> list[Any]:
    return findings(whole(began=BEGAN, media={"refused_sources": list(sources), "unheard": unheard}, **more))


@pytest.mark.parametrize(
    ("one", "told", "shown"),
    [(source(announced=8.5), "267 packets came from 10.0.0.9:4002, the address that a re-INVITE", "announced at 8.5 s"),
     (source(announced=0, left=2), "which the call had been moved away from", "another address at 2.0 s"),
     (source(announced_port=4000), "another port than the announced one", "port 4000 of that host was announced"),
     (source(), "an address that no description has announced", "267 from 10.0.0.9:4002, 3.0 s to 8.0 s"),
     (source("wrong_ssrc"), "a second stream", "3.0 s to 8.0 s"),
     (source("wrong_type"), "a format that was not agreed", "3.0 s to 8.0 s"),
     (source("unauthentic"), "not encrypted with the agreed keys", "3.0 s to 8.0 s"),
     (source("malformed"), "were no RTP", "3.0 s to 8.0 s"),
     (source("rtcp_foreign"), "not the address of this call's reports", "3.0 s to 8.0 s"),
     (source("rtcp_unauthentic"), "reports (RTCP) from 10.0.0.9:4002 were not encrypted", "3.0 s to 8.0 s"),
     (source("rtcp_malformed"), "were no reports (RTCP)", "3.0 s to 8.0 s"),
     (source("ice_refused"), "with connectivity checks (ICE) from 10.0.0.9:4002 were refused", "3.0 s to 8.0 s"),
     (source(host="2001:db8::9"), "came from [2001:db8::9]:4002", "267 from [2001:db8::9]:4002")],
)  # fmt: skip
def test_refused_packets_are_told_with_cause_evidence_and_remedy(one: dict[str, Any], told: str, shown: str) -> None:
    (found,) = of_sources(one)
    assert told in found.what and "267 packets" in found.what
    assert shown in found.evidence[0]
    assert found.fix and found.bad


def test_every_kind_of_refused_packets_has_been_told_above() -> None:
    assert set(REFUSED) == {
        "early",
        "left",
        "other_port",
        "foreign",
        "wrong_ssrc",
        "wrong_type",
        "unauthentic",
        "malformed",
        "rtcp_foreign",
        "rtcp_unauthentic",
        "rtcp_malformed",
        "ice_refused",
    }


def test_few_refused_packets_are_no_problem_and_some_are_meant_to_be_refused() -> None:
    (few,) = of_sources(source(packets=MANY - 1, announced=0, left=2))
    assert not few.bad and not few.fix and f"{MANY - 1} packets" in few.what
    (one,) = of_sources(source(packets=1))
    assert one.what.startswith("1 packet came")
    assert of_sources(source("unexpected")) == [], "on hold"
    assert findings(whole(began=BEGAN, media={"refused_sources": "a list that was too long …"})) == []


@pytest.mark.parametrize(
    ("reason", "fix"), [("rtcp_foreign", "The sound is not affected"), ("ice_refused", "ice_support = no")]
)
def test_refused_reports_and_checks_are_soon_a_problem_and_no_cause_of_silence(reason: str, fix: str) -> None:
    (few,) = of_sources(source(reason, packets=MANY_BESIDE_SOUND - 1))
    assert not few.bad and not few.fix
    reports = source(reason, packets=MANY_BESIDE_SOUND)
    silent, refused = of_sources(reports, quality=[[5.0, 0.0, 0.0, 0.0, 0.0, 0.1]] * 2)
    assert "Not one packet of sound came" in silent.evidence[0] and silent.fix == BLOCKED
    assert refused.bad and fix in refused.fix
    given_up = explain({"kind": "line_lost", "cause": "no sound arrived for 30 s"}, (), {"refused_sources": [reports]})
    assert "packets came" not in " ".join(given_up.evidence)


def test_sources_of_the_same_kind_are_told_together() -> None:
    (both,) = of_sources(source(packets=40), source(packets=30, port=4004))
    assert both.what.startswith("70 packets came from 10.0.0.9:4002, 10.0.0.9:4004") and len(both.evidence) == 2


def test_a_call_whose_sound_was_refused_is_not_told_to_open_its_ports() -> None:
    (silent, refused) = of_sources(source(), quality=[[5.0, 0.0, 0.0, 0.0, 0.0, 0.1]] * 2)
    assert "could not hear" in silent.what and silent.fix == refused.fix
    given_up = explain({"kind": "line_lost", "cause": "no sound arrived for 30 s"}, (), {"refused_sources": [source()]})
    assert "Sound came, but" in given_up.what and "267 packets came" in given_up.evidence[0]
    assert "firewall" not in given_up.fix + silent.fix


def test_what_failed() -> None:
    (failed,) = findings(whole(events=[{"t": 3.0, "kind": "failure", "text": "The tts failed: gone"}]))
    assert failed.evidence == ("3.0 s: The tts failed: gone",)


def test_the_table_is_written_for_people() -> None:
    table = tomllib.loads((Path(__file__).parents[3] / "sipgw/records/captures/endings.toml").read_text())
    for entry in table["refused"]:
        assert "{where}" in entry["what"] and entry["what"].startswith("{packets}") and entry["fix"].endswith(".")
    for entry in [*table["ending"], *table["status"]]:
        for text in (entry["what"], entry.get("fix", "")):
            assert not text or ((text[0].isupper() or text[0] in "[`") and text.endswith((".", "?"))), text


def test_the_sound_of_a_person_who_was_called_into_the_call_is_explained() -> None:
    leg = {"trunk": "carrier", "sent": 500, "received": 0, "refused_sources": [source()]}
    heard, refused = findings(whole(began=BEGAN, media={"sent": 500, "received": 500, "legs": [leg]}))
    assert heard.bad and heard.what.startswith("A person who was called into this call was not heard")
    assert refused.what.startswith("On the line of a person who was called into this call: ")
    assert findings(whole(began=BEGAN, media={"legs": [leg | {"received": 500, "refused_sources": []}]})) == []
