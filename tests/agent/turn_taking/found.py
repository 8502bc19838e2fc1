"""Calls in which something did not hold: found by random, each as short as it still failed."""

from agent.hearing.echo_path import Path
from tests.agent.turn_taking.steps import Setting, Steps

FOUND: list[tuple[Steps, Setting, bool]] = [
    (
        [("key", 0.02), ("announce", 0.02), ("final", 40.0), *[("voice", 40.0)] * 4, ("interim", 1.5)],
        Setting(False), True,
    ),
    ([("final", 0.5), ("says", 0.5), ("voice", 6.0), ("noise", 6.0)], Setting(True), True),
    ([("final", 1.5), ("voice", 0.02), ("says", 0.5), ("final", 0.5)], Setting(False, Path.UNKNOWN), True),
    ([("final", 0.5), ("says", 0.5), ("final", 1.5), ("voice", 0.5), ("voice", 6.0)], Setting(True, Path.CLEAN), True),
    # A word that was taken back came again with a time of its own, at which nobody spoke.
    (
        [("final", 1.5), ("says", 40.0), ("interim", 0.5), ("interim", 1.5), ("fewer", 40.0), ("same", 1.5)],
        Setting(False, Path.ECHO, "sent"), True,
    ),
    # A later voice was on when an earlier word came again.
    (
        [("final", 0.02), ("says", 0.02), ("interim", 1.5), ("interim", 0.02), ("fewer", 0.02), ("final", 0.02)],
        Setting(True, Path.ECHO), True,
    ),
    # Somebody else speaks with the caller, and nobody takes the call to which the caller was being transferred.
    ([("taken", 0.02), ("interim", 0.02), ("nobody", 0.02)], Setting(False), True),
    # Keys, and words, of before a person was there.
    ([("queue", 0.02), ("key", 0.02)], Setting(True), False),
    ([("final", 0.02), ("queue", 0.5), ("person", 0.02), ("interim", 0.02)], Setting(False), True),
    ([("interim", 0.02), ("queue", 0.5), ("person", 0.02)], Setting(False), True),
    ([("interim", 0.02), ("queue", 0.02), ("final", 6.0)], Setting(True), True),
    ([("final", 0.02), ("interim", 0.02), ("recording", 0.02), ("person", 0.02)], Setting(True), False),
    ([("recording", 0.02), ("interim", 0.02), ("menu", 0.02)], Setting(True), True),
    ([("taken", 0.02), ("recording", 0.02)], Setting(False), True),
    ([("recording", 0.02), ("taken", 0.02)], Setting(True), False),
    ([("queue", 0.02), ("key", 1.5), ("done", 1.5), ("final", 0.02), ("key", 0.02)], Setting(False), False),
    ([("queue", 0.02), ("key", 6.0), ("key", 0.02), ("interim", 0.02)], Setting(True), True),
    # Words that were said into what a key, or its longest time, broke off.
    (
        [("final", 0.02), ("transfer", 0.5), ("says", 0.02), ("final", 0.02), ("key apart", 0.02)],
        Setting(False), True,
    ),
    (
        [("announce", 0.02), ("interim", 40.0), ("final", 40.0), ("announce", 40.0), ("interim", 0.02), ("final", 6.0)],
        Setting(False), True,
    ),
]  # fmt: skip
"""Steps and parts of each call, and whether replies are heard after them."""
