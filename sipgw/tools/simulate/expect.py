"""Compares the expectations of a scenario with the call. Sans-IO."""

from collections.abc import Iterator, Sequence
from typing import Any

from agent.records import AgentSays, ToolStarted
from sipgw.tools.simulate.scenario import Step
from sipgw.tools.simulate.scenario_script import CompletedStep, GatewayReport
from sipgw.tools.simulate.verdict import TurnVerdict


def missed(
    done: Sequence[CompletedStep], told: Sequence[GatewayReport], turns: Sequence[TurnVerdict], slack: float
) -> list[str]:
    """All missed expectations. Waits may be `slack` times as long, because of a busy machine."""
    faults: list[str] = []
    answered = [turn for turn in turns if turn.did != "the greeting"]
    for number, one in enumerate(done):
        until = done[number + 1].at if number + 1 < len(done) else float("inf")
        window = [each for each in told if one.at <= each.at < until]
        waited = answered[number].waited if number < len(answered) else None
        faults += [f"step {number + 1}: {fault}" for fault in _of_step(one.step, window, waited, slack)]
    return faults


def _of_step(step: Step, window: Sequence[GatewayReport], waited: float | None, slack: float) -> Iterator[str]:
    said = " ".join(each.report.text for each in window if isinstance(each.report, AgentSays)).lower()
    called = tuple(each.report.name for each in window if isinstance(each.report, ToolStarted))
    if step.within_ms and (waited is None or waited * 1000 > step.within_ms * slack):
        yield f"answered after {'ever' if waited is None else f'{waited * 1000:.0f} ms'}, not within {step.within_ms:g}"
    for words in step.heard:
        if words.lower() not in said:
            yield f"{words!r} was not said, but {said!r}"
    for words in step.absent:
        if words.lower() in said:
            yield f"{words!r} was said"
    if step.tool_called is not None and called != step.tool_called:
        yield f"the tools {', '.join(called) or 'none'} were called, not {', '.join(step.tool_called) or 'none'}"


def remembered(messages: Sequence[dict[str, Any]]) -> list[str]:
    """The memory of a call as a scenario writes it: ``caller: …`` and ``agent: …``, without tools and instructions."""
    names = {"user": "caller", "assistant": "agent"}
    return [
        f"{names[message['role']]}: {message['content']}"
        for message in messages
        if message["role"] in names and message.get("content")
    ]


def differs(wanted: Sequence[str], found: Sequence[str], words: int = 0) -> str:
    """The difference of a memory from the expected one; empty if none. Where words were cut off, `words` more or fewer
    are accepted."""
    for number, line in enumerate(wanted):
        there = found[number] if number < len(found) else "nothing"
        if not _same(line, there, words):
            return f"memory, line {number + 1}: {there!r} instead of {line!r}"
    return f"memory: {found[len(wanted)]!r} too much" if len(found) > len(wanted) else ""


def _same(wanted: str, found: str, words: int) -> bool:
    if wanted == found or not words or not (wanted.endswith(" —") or found.endswith(" —")):
        return wanted == found
    one, other = sorted((wanted.removesuffix(" —").split(), found.removesuffix(" —").split()), key=len)
    return other[: len(one)] == one and len(other) - len(one) <= words
