"""The state of the session with an agent's own server: open requests, the reply that is due, messages that wait.

Servers tell neither which prompt a token answers, nor that they have stopped. So after an interruption all words until
the server's ``last``, or until the next prompt or key, count as the rest of the reply that was broken off.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from agent.providers.websocket import Socket
from agent.relay import messages as wire

LONGEST = 20_000
"""Characters of one reply; the rest is not spoken."""
WAITING = 1000
"""Commands, and texts between them, that wait to be followed; more are refused."""


class Cycle(Enum):
    """The reply that is due from the server."""

    IDLE = "nothing"
    ASKED = "an answer to a prompt"
    TALKING = "the rest of a reply"
    CUT = "the end of a reply that was broken off, which nobody is to hear"
    REASKED = "an answer to a prompt, and before it perhaps that end"
    OVER = "nothing more: it has ended the session"


class Signal(Enum):
    """An event that changes the reply that is due."""

    PROMPT = "the caller's words are sent"
    KEY = "a key is sent, which may be answered as if unasked"
    TOKEN = "text has come"  # noqa: S105  no secret
    LAST = "the end of a reply has come"
    BREAK = "the caller broke the reply off"
    END = "the server has ended the session"


_C, _S = Cycle, Signal
CYCLES: dict[tuple[Cycle, Signal], Cycle] = {
    (_C.IDLE, _S.PROMPT): _C.ASKED,
    (_C.IDLE, _S.KEY): _C.IDLE,
    (_C.IDLE, _S.TOKEN): _C.TALKING,
    (_C.IDLE, _S.LAST): _C.IDLE,
    (_C.IDLE, _S.BREAK): _C.IDLE,
    (_C.ASKED, _S.PROMPT): _C.ASKED,
    (_C.ASKED, _S.KEY): _C.ASKED,
    (_C.ASKED, _S.TOKEN): _C.TALKING,
    (_C.ASKED, _S.LAST): _C.IDLE,
    (_C.ASKED, _S.BREAK): _C.CUT,
    (_C.TALKING, _S.PROMPT): _C.ASKED,
    (_C.TALKING, _S.KEY): _C.TALKING,
    (_C.TALKING, _S.TOKEN): _C.TALKING,
    (_C.TALKING, _S.LAST): _C.IDLE,
    (_C.TALKING, _S.BREAK): _C.CUT,
    (_C.CUT, _S.PROMPT): _C.REASKED,
    (_C.CUT, _S.KEY): _C.IDLE,
    (_C.CUT, _S.TOKEN): _C.CUT,
    (_C.CUT, _S.LAST): _C.IDLE,
    (_C.CUT, _S.BREAK): _C.CUT,
    (_C.REASKED, _S.PROMPT): _C.REASKED,
    (_C.REASKED, _S.KEY): _C.REASKED,
    (_C.REASKED, _S.TOKEN): _C.TALKING,
    (_C.REASKED, _S.LAST): _C.ASKED,
    (_C.REASKED, _S.BREAK): _C.CUT,
    **{(_C.OVER, signal): _C.OVER for signal in (_S.PROMPT, _S.KEY, _S.LAST, _S.BREAK)},
    **{(cycle, _S.END): _C.OVER for cycle in Cycle},
}
"""The next state. A missing cell is an error of our own code: no text is taken from a session that is over."""


class Uninterrupted(NamedTuple):
    """The next words must not be interrupted."""


Command = wire.Command | Uninterrupted
"""A command that is carried out when its place among the words is reached."""
PASSING = (wire.Token, wire.Play, Uninterrupted)
"""Messages that are dropped with a reply that is broken off; all else is followed in any case."""


@dataclass
class RelayTalk:
    """One session and its state. Sans-IO but for its socket."""

    socket: Socket | None = None
    queue: deque[wire.Token | Command] = field(default_factory=deque)
    cycle: Cycle = Cycle.IDLE
    asked: tuple[int, str] = (0, "")
    """The number of the caller's turns at the last prompt, and the words of the last turn that the server was told."""
    sent: str = ""
    """The text of the reply, as it came."""
    length: int = 0
    language: str = ""
    """Language of the last token, if it had one."""
    preemptible: bool = False
    """Whether the words that the server sent last may be replaced by its next ones."""
    preempts: bool = False
    """Whether the server's present words take the place of those that it sent before."""
    held: bool = False
    """Whether a later part of the reply must not be interrupted."""
    malformed: int = 0
    given_up: str = ""
    """Reason why the session must not begin again; empty if it may."""
    reader: object | None = None
    """The running reply, which takes the server's messages."""
    begun: list[Command] = field(default_factory=list)
    """Commands that a reply has taken and not followed yet."""
    come: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def alive(self) -> bool:
        """Whether the session has a connection."""
        return self.socket is not None and self.socket.is_open

    def step(self, signal: Signal) -> None:
        """Take a signal: see `CYCLES`. Raises `KeyError` for one that cannot come in this cycle."""
        self.cycle = CYCLES[self.cycle, signal]

    def ended(self, reader: object) -> bool:
        """Whether nothing more is to come for this reply: it was broken off, or the server owes nothing."""
        return self.reader is not reader or self.cycle in (Cycle.IDLE, Cycle.CUT, Cycle.OVER)

    def wants(self, said: Sequence[str]) -> bool:
        """Whether a prompt is due: for words of the caller that the server was not told, or if no message waits. None
        is due after the end of the session."""
        ends = any(isinstance(one, wire.End) for one in self.queue)
        return bool(said) and not ends and (bool(self._untold(said)) or not self.queue)

    def ask(self, said: Sequence[str]) -> str:
        """The words of the next prompt: the part of the caller's last turn that no prompt has told,
        or all of it again."""
        words = self._untold(said) or said[-1]
        self.asked = len(said), said[-1]
        self.sent, self.length, self.held = "", 0, False
        self._part()
        self.step(Signal.PROMPT)
        return words

    def _untold(self, said: Sequence[str]) -> str:
        turns, told = self.asked
        return (said[-1].removeprefix(told) if turns == len(said) else said[-1]).strip()

    def token(self, token: wire.Token) -> None:
        """Take text. Raises `agent.relay.messages.RelayFault` once for a reply that is too long."""
        before = self.length
        if token.text:
            if self.cycle is Cycle.IDLE:  # it speaks unasked
                self.sent, self.length, before = "", 0, 0
                self._part()
            if self.cycle is not Cycle.CUT:
                self.begins(token)
            self.step(Signal.TOKEN)
            self.length += len(token.text)
            if self.cycle is not Cycle.CUT and before < LONGEST:
                self._speak(token._replace(text=token.text[: LONGEST - before]))
        if token.last:
            self.step(Signal.LAST)
        if before <= LONGEST < self.length:
            raise wire.RelayFault(f"a reply has at most {LONGEST} characters; the rest is not spoken")

    def _part(self) -> None:
        """Separate the next reply from the words before it, so that it begins a new sentence."""
        if self.queue or self.reader is not None:
            self.queue.append(wire.Token("\n", last=False))

    def begins(self, item: wire.Token | wire.Play) -> None:
        """Note that words or a medium have come."""
        if self.cycle is Cycle.IDLE:
            self.preempts, self.held = self.preemptible, False
        self.preemptible = item.preemptible
        if not item.interruptible and not self.held:
            self.held = True
            self.queue.append(Uninterrupted())

    def _speak(self, token: wire.Token) -> None:
        if token.language and token.language != self.language:
            self.queue.append(wire.SwitchLanguage(token.language))
        self.language = token.language
        self.sent += token.text
        if self.queue and isinstance(before := self.queue[-1], wire.Token):  # many tokens wait as one
            self.queue[-1] = before._replace(text=before.text + token.text)
        else:
            self.queue.append(token)

    def break_off(self) -> None:
        """Break the reply off: drop the words that are not heard yet, and keep the commands."""
        self.step(Signal.BREAK)
        kept = [one for one in (*self.begun, *self.queue) if not isinstance(one, PASSING)]
        self.begun.clear()
        self.queue = deque(kept)
        self.reader = None
        self.come.set()
