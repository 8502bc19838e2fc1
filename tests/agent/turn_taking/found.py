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
    # A word of before a menu was answered comes alone, and again with the word that was answered after it.
    (
        [("queue", 0.02), ("interim", 1.5), ("menu", 1.5), ("interim", 0.2), ("says", 0.5), ("says", 0.02),
         ("fewer", 0.02)],
        Setting(False, Path.UNKNOWN), True,
    ),
    # A babble, which was told apart less than 0.3 s after it had ended a turn.
    (
        [("voice", 0.02), ("interim", 0.5), ("final", 0.02), ("final", 0.02), ("unreported", 1.5), ("interim", 0.02),
         ("noise", 0.2), ("final", 0.02), ("says", 0.5)],
        Setting(True), True,
    ),
    # Words of before a seam, of which the recogniser told after it.
    *[
        ([("unreported", 0.02), (begins, 0.02), (ends, 0.02), ("same", 0.02)], Setting(True, None, times), True)
        for begins, ends in (("taken", "back"), ("queue", "menu"), ("queue", "person"))
        for times in ("ends", "apart")
    ],
    # A hold outlasts who was waited for, and a recording outlasts who had the call when a menu of it ended.
    ([("queue", 0.02), ("hold", 0.02), ("person", 0.02)], Setting(True), True),
    ([("taken", 0.02), ("recording", 0.02), ("menu", 0.02), ("back", 0.02)], Setting(True), True),
    # A word of a while ago came while the agent began to speak: no echo can be that old.
    (
        [("unreported", 0.02), ("quiet", 40.0), ("faint voice", 0.02), ("says", 0.02), ("behind", 0.02),
         ("final", 0.02)],
        Setting(True, Path.ECHO), True,
    ),
    # A greeting of before somebody gave the caller back turned out to be another word.
    ([("taken", 0.2), ("hello", 0.02), ("hold", 0.02), ("revised", 0.02)], Setting(True, None, "touching"), False),
]  # fmt: skip
"""Steps and parts of each call, and whether replies are heard after them."""
