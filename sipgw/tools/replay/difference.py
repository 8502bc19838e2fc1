"""Differences between a recorded call and its replay. Sans-IO."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from agent.turn_taking.words import words_of
from sipgw.records.bundles.call_result import CallResult, TurnResult

SLOWER = 100
"""Milliseconds by which the agent's answer may come later. An earlier answer is accepted: a replay does not contain the
gateway's own delay on the busy machine of the original call."""
WORDS = 1
"""Words by which the heard part of an interrupted reply may differ: 20 ms decide about a word."""


class Difference(NamedTuple):
    """One difference between the recording and the replay."""

    where: str
    before: str
    now: str


def differences(before: CallResult, now: CallResult, left: str = "") -> list[Difference]:
    """All differences; `left` is the place where the code departed from the recording, if it did."""
    found = list(_turns(before.turns, now.turns))
    for where in ("agreed", "heard", "spoken"):
        found += _listed(where, getattr(before, where), getattr(now, where))
    for where in ("resumed", "failed", "pressed", "answered_by", "ending"):
        was, is_ = getattr(before, where), getattr(now, where)
        if was != is_:
            found.append(Difference(where.replace("_", " "), _shown(was), _shown(is_)))
    if left:  # events after the departure are no further differences
        return [Difference("left the recording", "", left), *(one for one in found if one.now)]
    return found


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _turns(before: list[TurnResult], now: list[TurnResult]) -> Iterator[Difference]:
    """Differences of the turns. Turns with the same words of the caller are compared with each other."""
    was, is_ = [turn.caller for turn in before], [turn.caller for turn in now]
    for kind, since, until, first, last in SequenceMatcher(None, was, is_, autojunk=False).get_opcodes():
        if kind == "equal" or until - since == last - first:
            for at, turn in enumerate(before[since:until]):
                yield from _turn(f"turn {since + at + 1}", turn, now[first + at])
            continue
        for at, turn in enumerate(before[since:until], since + 1):
            yield Difference(f"turn {at}", _told(turn), "")
        for at, turn in enumerate(now[first:last], first + 1):
            yield Difference(f"turn {at}", "", _told(turn))


def _told(turn: TurnResult) -> str:
    return f"{turn.caller!r} → {turn.said!r}"


def _turn(where: str, before: TurnResult, now: TurnResult) -> Iterator[Difference]:
    for name in ("caller", "said", "interrupted", "tools"):
        was, is_ = getattr(before, name), getattr(now, name)
        if was != is_:
            yield Difference(f"{where}: {name}", _of(was), _of(is_))
    most = WORDS if before.interrupted and now.interrupted else 0
    if before.heard != now.heard and _apart(before.heard, now.heard) > most:
        yield Difference(f"{where}: heard", before.heard, now.heard)
    was, is_ = before.latency_ms.get("total"), now.latency_ms.get("total")
    if (was is None) is not (is_ is None) or (was is not None and is_ is not None and is_ > was + SLOWER):
        yield Difference(f"{where}: latency", _latency(before), _latency(now))


def _of(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(f"{run['name']} {run['arguments']}{' failed' * run['failed']}" for run in value)
    return str(value)


def _apart(before: str, now: str) -> int:
    was, is_ = words_of(before), words_of(now)
    same = SequenceMatcher(None, was, is_, autojunk=False).find_longest_match().size
    return max(len(was), len(is_)) - same


def _latency(turn: TurnResult) -> str:
    parts = ", ".join(f"{name} {took}" for name, took in turn.latency_ms.items() if name != "total")
    return f"{turn.latency_ms['total']} ms ({parts})" if "total" in turn.latency_ms else ""


def _listed(where: str, before: list[str], now: list[str]) -> Iterator[Difference]:
    """Differences of two lists of sentences: those that only one of the two has."""
    for kind, since, until, first, last in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        if kind != "equal":
            yield Difference(where, " / ".join(before[since:until]), " / ".join(now[first:last]))
