"""Explains why a call ended, was slow, silent or refused: a sentence, its evidence, and the remedy. Sans-IO."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from statistics import median
from types import MappingProxyType
from typing import Any, NamedTuple

from sipgw.config.networks import PRIVATE_NETWORKS, Networks
from sipgw.events import is_deaf, sounds


class CallFinding(NamedTuple):
    """A finding about a call, in plain words."""

    what: str
    evidence: tuple[str, ...]
    fix: str
    """Advice on what to change; empty if nothing is wrong."""
    bad: bool = True
    """Whether it is a problem."""


class EndingRule(NamedTuple):
    """The meaning of an ending: the first rule with the ending's kind and a matching pattern applies."""

    kind: str
    what: str
    fix: str = ""
    pattern: str = ""


KEYS = "Check its key, balance and limits at the provider; name another as stt_backup, llm_backup or tts_backup."
_TABLE = tomllib.loads((files("sipgw.records.captures") / "endings.toml").read_text("utf-8"))
RULES = tuple(EndingRule(**entry) for entry in _TABLE["ending"])
"""Endings of calls that were let in or made."""
HUNG_UP = ("caller_hung_up", "callee_hung_up")
"""Kinds that the first releases also used for lost lines: in their records only the cause tells."""
STATUSES = {entry["number"]: (entry["what"], entry.get("fix", "")) for entry in _TABLE["status"]}
"""Final SIP statuses: meaning and remedy."""
REFUSED = {entry["kind"]: (entry["what"], entry["fix"]) for entry in _TABLE["refused"]}
"""Refused packets by their kind, see `_kind`: meaning and remedy."""
MANY = 50
"""Refused packets of one kind that are a problem: a second of sound. A few are refused whenever media move."""
BESIDE_SOUND = ("rtcp_", "ice_")
"""The beginnings of kinds of packets that are no sound."""
MANY_BESIDE_SOUND = 5
"""Like `MANY`, for packets that are no sound, from one source: they come every few seconds."""
BLOCKED = (
    "Open the UDP ports of [media] port_range in every firewall on the way, and set [sip] public_address if this "
    "machine is behind NAT."
)
STOPPED = (
    "Something on the way lost its sound: a firewall or NAT that forgot the way, a phone that changed its network, or "
    "a PBX that moved the sound without telling."
)
NO_SOUND = "no sound arrived"
"""The text in the cause of a call that was given up because no sound arrived."""
SLOW = 1.5
"""Seconds of a typical answer time above which people talk over the agent."""
PARTS = {
    "hearing": (
        "the recogniser to notice that the caller had finished",
        "Choose [agent] stt that know the end of a turn.",
    ),
    "thinking": (
        "the language model's first word",
        "Choose a smaller or nearer [agent] llm; a shorter prompt and fewer tools help too.",
    ),
    "phrasing": ("the model's first sentence to be complete", "Ask for short first sentences in [agent] prompt."),
    "voicing": ("the first sound of the voice", "Choose a faster [agent] tts, or a region nearer to this machine."),
    "sending": ("the sound to leave", "The machine is overloaded: see the media metrics."),
    "tools": ("a tool", "Make what it asks faster, or let the agent say first that it is looking."),
}  # fmt: skip
PRIVATE = Networks((network, True) for network in PRIVATE_NETWORKS)
NOT_ANSWERED = CallFinding(
    "We did not answer: the call came from an address that belongs to no trunk or account.",
    (),
    "If it is your carrier's, add its network to [[trunks]] networks; if it is a phone's, to [[accounts]] networks.",
)


def explain(
    ending: Mapping[str, Any] | None,
    messages: Iterable[Mapping[str, Any]] = (),
    media: Mapping[str, Any] = MappingProxyType({}),
) -> CallFinding:
    """Why the call ended; `ending` has ``kind`` and ``cause``, None for an INVITE that never became a call. `media` has
    the counts and quality of its sound in the record.
    """
    messages = list(messages)
    status = _final_status(messages)
    shown = (f"Last answer to the INVITE: {status[1]}",) if status else ()
    if ending is None:
        return _by_status(status) if status else _not_answered(messages)
    kind, cause = str(ending.get("kind", "")), str(ending.get("cause", ""))
    if NO_SOUND in cause and (refused := refused_sound(media)):
        cause += f"; {sum(one['packets'] for one in refused)} packets came and were refused"
    where = _awaited(messages) if NO_SOUND in cause else ()
    evidence = (*((f"What the gateway noted: {cause}",) if cause else ()), *where, *shown)
    for rule in RULES:
        of_old = rule.kind == "line_lost" and rule.pattern and kind in HUNG_UP
        if (rule.kind == kind or of_old) and re.search(rule.pattern, cause, re.IGNORECASE):
            return CallFinding(rule.what, evidence, rule.fix, bad=bool(rule.fix))
    number = re.search(r"\b([3-6]\d\d)\b", cause)
    meaning = STATUSES.get(int(number[1])) if number else None
    what, fix = meaning or (f"The call ended: {kind or 'nobody knows how'}.", "See the events and the ladder below.")
    return CallFinding(what, evidence, fix)


def _not_answered(messages: Sequence[Mapping[str, Any]]) -> CallFinding:
    if not messages or any(message.get("out") for message in messages):
        return CallFinding("The call is going on.", (), "", bad=False)
    return NOT_ANSWERED._replace(evidence=(f"It came from {messages[0].get('peer')}; nothing was sent back.",))


def _by_status(status: tuple[int, str, bool]) -> CallFinding:
    number, line, ours = status
    who = "We refused the call" if ours else "The other side refused the call"
    if number < 300:
        return CallFinding("The call was answered.", (f"Last answer to the INVITE: {line}",), "", bad=False)
    what, fix = STATUSES.get(number, ("", "See the ladder below."))
    return CallFinding(f"{who}: {number}. {what}".strip(), (f"Last answer to the INVITE: {line}",), fix)


def _final_status(messages: list[Mapping[str, Any]]) -> tuple[int, str, bool] | None:
    """The last final answer to an INVITE: status, line, whether we sent it."""
    found = None
    for message in messages:
        match = re.match(r"SIP/2\.0 ([2-6]\d\d)", str(message.get("start", "")))
        if match and re.search(r"(?im)^cseq\s*:\s*\d+\s+INVITE\s*$", str(message.get("text", ""))):
            found = int(match[1]), str(message["start"]).removeprefix("SIP/2.0 "), bool(message.get("out"))
    return found


def _awaited(messages: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The address of our last session description."""
    for message in reversed(list(messages)):
        text = str(message.get("text", ""))
        address, port = re.search(r"(?m)^c=IN IP[46] (\S+)", text), re.search(r"(?m)^m=audio (\d+)", text)
        if message.get("out") and address and port:
            far = str(message.get("peer", "")).rpartition(":")[0]
            told = f"We had asked for it at {address[1]}, UDP port {port[1]}."
            if _private(address[1]) and not _private(far):
                told += f" That is a private address, and nobody at {far} can reach it."
            return (told,)
    return ()


def _private(host: str) -> bool:
    try:
        return PRIVATE.match(host.strip("[]")) is not None
    except ValueError:
        return False


def findings(timeline: Mapping[str, Any]) -> list[CallFinding]:
    """Further findings: silence, slowness or bad sound: see `evidence.timeline.Timeline.as_dict`."""
    turns, quality = timeline.get("turns", ()), timeline.get("quality", ())
    found = [*_silent(timeline), *_refused(timeline), *_further(timeline)]
    found += [*_slow(turns), *_lossy(quality), *_unheard(turns)]
    failures = [event for event in timeline.get("events", ()) if event.get("kind") == "failure"]
    if failures:
        evidence = tuple(f"{event.get('t') or 0:.1f} s: {event.get('text')}" for event in failures[:5])
        found.append(CallFinding("A provider failed during the call.", evidence, KEYS))
    return found


def _silent(timeline: Mapping[str, Any]) -> Iterable[CallFinding]:
    quality, turns = timeline.get("quality", ()), timeline.get("turns", ())
    if timeline.get("answered") is None:
        return
    given_up = NO_SOUND in str((timeline.get("ending") or {}).get("cause"))  # the ending explains the silence already
    media = timeline.get("media") or {}
    refused = refused_sound(media)
    packets = sum(one["packets"] for one in refused)
    told = (f"{packets} packets came and were refused; from where and why stands beside this.",) if refused else ()
    if quality and not given_up and not any(entry[1] for entry in quality):
        if refused:
            yield CallFinding(
                "No sound of the other side was accepted: the agent could not hear the caller.",
                told,
                REFUSED[_kind(refused[0])][1],
            )
            return
        yield CallFinding(
            "Nothing was received from the other side: the agent could not hear the caller.",
            (
                f"Not one packet of sound came in {5 * len(quality)} s.",
                *_awaited(timeline.get("sip", {}).get("messages", ())),
            ),
            BLOCKED,
        )
    elif media.get("unheard") and not given_up:
        yield CallFinding(
            "The agent heard the caller first and then did not: sound of the other side was not heard, or it vanished.",
            (f"Nothing of it was heard for {media['unheard']:.0f} s. A hold or a pause is not counted.", *told),
            REFUSED[_kind(refused[0])][1] if refused else STOPPED,
        )
    elif quality and not given_up and len(turns) > 1 and not any(turn.get("caller") for turn in turns):
        yield CallFinding(
            "Sound arrived, but no word was recognised in it.",
            (f"{len(turns)} turns without a word of the caller.",),
            "Listen to the recording: is it speech, and in the language of [agent] stt?",
        )


def _further(timeline: Mapping[str, Any]) -> Iterable[CallFinding]:
    """Findings about the sound of people who were called into the call."""
    for _, media in [*sounds("", timeline.get("media") or {})][1:]:
        refused = refused_sound(media)
        if is_deaf(media):
            came = f"{media.get('received', 0)} packets of sound came, and {media.get('sent', 0)} were sent."
            unheard = (f"Nothing was heard for {media['unheard']:.0f} s.",) if media.get("unheard") else ()
            yield CallFinding(
                "A person who was called into this call was not heard, or not all the time.",
                (came, *unheard),
                REFUSED[_kind(refused[0])][1] if refused else STOPPED if media.get("received") else BLOCKED,
            )
        for one in _refused({**timeline, "media": media}):
            yield one._replace(what=f"On the line of a person who was called into this call: {one.what}")


def refused_sources(media: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sources whose packets were refused in a call, see `media.rtp.refused.RefusedSources.stats`; without packets
    that are refused on purpose."""
    found = media.get("refused_sources")
    return [one for one in found if _kind(one) in REFUSED] if isinstance(found, list | tuple) else []


def refused_sound(media: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The refused sources whose packets might have been sound."""
    return [one for one in refused_sources(media) if not one["reason"].startswith(BESIDE_SOUND)]


def _refused(timeline: Mapping[str, Any]) -> Iterable[CallFinding]:
    """A finding for each kind of refused packets."""
    sources = refused_sources(timeline.get("media") or {})
    began = datetime.fromisoformat(timeline["began"]).timestamp() if sources else 0.0
    for kind in dict.fromkeys(map(_kind, sources)):
        its = [one for one in sources if _kind(one) == kind]
        what, fix = REFUSED[kind]
        packets = sum(one["packets"] for one in its)
        where = ", ".join(dict.fromkeys(_address(one["host"], one["port"]) for one in its))
        most = max(one["packets"] for one in its)
        bad = most >= MANY_BESIDE_SOUND if kind.startswith(BESIDE_SOUND) else packets >= MANY
        told = what.format(packets=f"{packets} packet{'s' * (packets > 1)}", where=where)
        yield CallFinding(told, tuple(_refused_from(one, began) for one in its), fix if bad else "", bad=bad)


def _kind(one: Mapping[str, Any]) -> str:
    """The kind of refused packets: the reason. For an address that is not the other side's, the relation of the address
    to the addresses that signalling has named."""
    if one["reason"] != "foreign":
        return str(one["reason"])
    if "left" in one and one["last"] >= one["left"]:
        return "left"
    if "announced" in one:
        return "early"
    return "other_port" if "announced_port" in one else "foreign"


def _refused_from(one: Mapping[str, Any], began: float) -> str:
    """The source of refused packets, their number, and their times in seconds of the call."""
    told = f"{one['packets']} from {_address(one['host'], one['port'])}, {one['first'] - began:.1f} s"
    told += f" to {one['last'] - began:.1f} s" if one["last"] > one["first"] else ""
    told += f"; announced at {one['announced'] - began:.1f} s" if "announced" in one else ""
    told += f", another address at {one['left'] - began:.1f} s" if "left" in one else ""
    return told + (f"; port {one['announced_port']} of that host was announced" if "announced_port" in one else "")


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _unheard(turns: Iterable[Mapping[str, Any]]) -> Iterable[CallFinding]:
    unheard = [turn for turn in turns if turn.get("said") and not turn.get("heard") and not turn.get("interrupted")]
    if unheard:
        yield CallFinding(
            "Something that the agent meant to say was never heard.",
            tuple(f"{turn['t'] or 0:.1f} s: {turn['said'][:80]}" for turn in unheard[:3]),
            "The voice failed or the call ended before; see the events.",
        )


def median_wait(turns: Iterable[Mapping[str, Any]]) -> float | None:
    """The median answer time in milliseconds; None without measurements."""
    waits = [turn["latency_ms"]["total"] for turn in turns if turn.get("latency_ms", {}).get("total")]
    return median(waits) if waits else None


def _slow(turns: Iterable[Mapping[str, Any]]) -> Iterable[CallFinding]:
    waits = [_shares(turn) for turn in turns if turn.get("latency_ms", {}).get("total")]
    if not waits:
        return
    typical = median(wait["total"] for wait in waits)
    late = [wait for wait in waits if wait["total"] > 2 * SLOW]
    if typical > SLOW:
        told, of = f"the median of {len(waits)} turns" if len(waits) > 1 else "in the one turn that was timed", waits
    elif late:
        typical, of = median(wait["total"] for wait in late), late
        told = f"in {len(late)} of {len(waits)} turns"
    else:
        return
    shares = {part: median(wait[part] for wait in of) for part in PARTS}
    worst = max(shares, key=shares.__getitem__)
    waited, fix = PARTS[worst]
    share = f"{shares[worst]:.1f} of {typical:.1f} s from the caller's last word to the answer, {told}"
    evidence = [f"{share}; above {SLOW} s people talk over the agent."]
    if covered := [wait["covered"] for wait in of if wait["covered"]]:
        evidence.append(
            f"In {len(covered)} of these turns the caller heard a filler first: the model's own words came after "
            f"{max(covered):.1f} s only."
        )
    yield CallFinding(f"The agent answered slowly, mostly waiting for {waited}.", tuple(evidence), fix)


def _shares(turn: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of each of `PARTS` in a turn's total; the time of tools is not counted for the LLM."""
    total = turn["latency_ms"]["total"] / 1000
    parts, left = {"total": total}, total
    for part in PARTS:
        parts[part] = min(left, turn["latency_ms"].get(part, 0) / 1000)
        left -= parts[part]
    ran = sum(float(run.get("seconds", 0)) for run in turn.get("tools", ()))
    for part in ("thinking", "phrasing"):
        took = min(ran, parts[part])
        parts |= {part: parts[part] - took, "tools": parts["tools"] + took}
        ran -= took
    marks = turn.get("marks") or 6 * [None]
    stopped, token, sentence = marks[0], marks[2], marks[3]
    if stopped is None or token is None or sentence is None or token <= sentence:
        return parts | {"covered": 0.0}
    return parts | {"covered": token - stopped}  # a sentence before the first token is a filler


def _lossy(quality: Iterable[Iterable[float]]) -> Iterable[CallFinding]:
    entries = [tuple(entry) for entry in quality]
    heard = [entry for entry in entries if entry[1]]
    bad = [entry for entry in heard if entry[2] > 0.03 or entry[1] < 3.6]
    if bad:
        worst = max(bad, key=lambda entry: entry[2])
        yield CallFinding(
            "The caller's sound was damaged on its way to us.",
            (
                f"{len(bad)} of {len(heard)} measurements are bad.",
                f"The worst, at {worst[0]:.0f} s: {worst[2]:.1%} loss, {worst[3]:.3f} s jitter, MOS {worst[1]:.1f}.",
            ),
            "Look at the network between the caller and here: Wi-Fi, an overloaded line, a missing QoS mark.",
        )
