"""The caller's sound: a gate of energy, a voice model on demand, the echo of the line, the background. Sans-IO."""

from agent.hearing.changes import Change


class CallerSound:
    """Follows the sound of one line. Bounded memory: some seconds of levels, no sound but the last 0.5 s."""

    @property
    def speaking(self) -> bool:
        """Whether the caller speaks: between `VOICE_STARTED` and `VOICE_ENDED`."""
        raise NotImplementedError

    @property
    def undecided(self) -> bool:
        """Whether there is a sound of which it is not known yet whether it is the caller: some 0.1 to 0.4 s."""
        raise NotImplementedError

    def feed(self, ulaw: bytes, at: float, played: bytes = b"") -> list[Change]:
        """Take sound of the caller whose last sample arrived `at`; returns what changed, in order.

        `played`: see `agent.line.Audio`. Empty means that the agent was silent, or that the line does not tell.
        """
        raise NotImplementedError

    def confirmed(self) -> None:
        """Words of the voice that started last were answered: learn the caller's level, and trust the line more."""
        raise NotImplementedError

    def false_alarm(self) -> None:
        """A reply was stopped for the voice that started last, and no words came: ask for more voice next time."""
        raise NotImplementedError

    def reset(self) -> None:
        """Another line: after a transfer, a hold or a re-INVITE with another address. Forgets echo and background."""
        raise NotImplementedError

    def wants(self) -> float | None:
        """In pieces of how many seconds sound is wanted from now on (`agent.line.Line.attend`); None if as before."""
        raise NotImplementedError
