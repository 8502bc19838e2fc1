"""Follows a call through the menus and queues of the other side. Sans-IO: words, sound, keys and the time go in."""

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from math import inf

from agent.forms.spoken import SIGNS, tokens
from agent.ivr.options import IvrOptions
from agent.ivr.phrases import asks_for_keys, asks_to_wait

ALIKE = 0.8
"""Share of common words from which on a recording is the same as one before, in spite of the recogniser."""
LITTLE = 3
"""Number of words up to which a repeated text may be a person's: people repeat short texts, too."""
LATE = 6.0
"""Seconds after the last words of a menu within which its sound keeps the menu going; later sound may be music."""
SENTENCES = 60
"""Most sentences of a menu that are kept."""
LETTERS = 4000
"""Most letters of a menu that the model gets: the last ones."""
MORE = 1
"""Number of words by which a recogniser's last version of a text may be longer although nothing more was said."""
DEAD = 60.0
"""Seconds without any sound after a key, beyond which nobody is there: music and ringing are sounds."""
LAST_WAIT = 60.0
"""Seconds for somebody to come after the operator's key."""
TALK = 60.0
"""Seconds from which on a talk between menus and queues was one with a person, and does not count. Announcements are
taken for persons, too: what is shorter counts, so that no menu goes on without end."""


class Place(Enum):
    """The place of the call."""

    TALKING = "somebody talks who is taken for a person"
    MENU = "a menu says what keys stand for"
    CHOOSING = "the menu has ended; a key is to be pressed"
    QUEUE = "waiting for a person"


class MenuWords(Enum):
    """The meaning of words that were heard."""

    KEYS = "asks for keys"
    WAIT = "asks to wait"
    REPEATED = "a recording that was heard before"
    OTHER = "anything else"


P, H = Place, MenuWords
PLACES: dict[tuple[Place, MenuWords], Place] = {
    **{(place, H.KEYS): P.MENU for place in P},
    **{(place, H.WAIT): P.QUEUE for place in (P.TALKING, P.CHOOSING, P.QUEUE)},
    (P.MENU, H.WAIT): P.MENU,
    (P.MENU, H.OTHER): P.MENU,
    (P.MENU, H.REPEATED): P.MENU,
    (P.CHOOSING, H.OTHER): P.TALKING,
    (P.CHOOSING, H.REPEATED): P.MENU,
    (P.QUEUE, H.OTHER): P.TALKING,
    (P.QUEUE, H.REPEATED): P.QUEUE,
    (P.TALKING, H.OTHER): P.TALKING,
    (P.TALKING, H.REPEATED): P.TALKING,
}
"""Every cell is there: words are always those of a person, a menu or a queue."""


class MenuLimit(Exception):  # noqa: N818  an end, not a fault
    """A limit is reached; the message names it."""


@dataclass
class _Clock:
    """Counts the time in menus and queues."""

    began: float = inf
    """When the menus began; the time with persons moves it later."""
    left: float = inf
    """When the talk began that is taken for one with a person."""

    def go_on(self, now: float) -> None:
        """Note that a menu or queue begins, or goes on after a talk."""
        if self.began == inf:
            self.began = now
        elif now - self.left >= TALK:
            self.began += now - self.left


class IvrNavigator:
    """Navigates the menus of one call."""

    def __init__(self, options: IvrOptions) -> None:
        self.place = Place.TALKING
        self.pressed = ""
        """All keys that were pressed so far."""
        self._options = options
        self._prompt: list[str] = []
        self._partial = self._last = ""
        """Words, not final yet, of the present menu or of one that the model has got; `_last` are the last words."""
        self._quiet_since = self._said_at = inf
        self._sounded = inf
        """When the last sound came after a key."""
        self._clock = _Clock()
        self._before: list[frozenset[str]] = []
        self._counts = Counter[int]()

    def takes_late(self, text: str, now: float, *, final: bool) -> bool:
        """Whether these words are a later version of a menu that the model has got already, and say nothing new."""
        if self.place is Place.MENU or not self._partial:
            return False
        words, told = _words(text), _words(self._partial)
        soon = now <= self._said_at + self._options.pause + LATE
        late = soon and len(words) <= len(told) + MORE and _alike(frozenset(words), frozenset(told))
        if final or not late:
            self._partial = ""
        return late

    def hear(self, text: str, now: float, *, final: bool) -> Place:
        """Take words of the recogniser's turn. Until they are final, the next ones replace them."""
        heard = self._judge(text, final=final)
        if not final and heard is MenuWords.OTHER and self.place is not Place.MENU:
            return self.place  # the rest of the sentence may say more
        self._go(PLACES[self.place, heard], now)
        if self.place is Place.MENU:
            self._quiet_since = self._said_at = now
            self._partial = "" if final else text
            self._prompt = [*self._prompt, *([text] if final else [])][-SENTENCES:]
        self._last = text
        return self.place

    def sound(self, now: float) -> None:
        """Note that the other side makes sounds."""
        if self._sounded < inf:
            self._sounded = now
        if self.place is Place.MENU and now <= self._said_at + LATE:
            self._quiet_since = now

    def press(self, keys: str, now: float) -> None:
        """Note that `keys` were pressed."""
        self.pressed += keys
        self._sounded = now
        self._go(Place.CHOOSING, now)

    def wait(self, now: float) -> None:
        """Note that the model takes what it has heard for a recording that asks for nothing."""
        self._before.append(frozenset(_words(self._last)))
        self._go(Place.QUEUE, now)

    @property
    def deadline(self) -> float:
        """When `handle_timer` has to be called next; infinite: never."""
        match self.place:
            case Place.TALKING:
                return inf
            case Place.MENU:
                other = self._quiet_since + self._options.pause
            case Place.CHOOSING:
                other = self._sounded + DEAD
            case Place.QUEUE:
                other = inf
        return min(self._clock.began + self._options.limit, other)

    def handle_timer(self, now: float) -> str:
        """Do what is due at `now`. Returns a menu that has ended, for the model; empty: there is none. Raises
        `MenuLimit`."""
        if self.place is not Place.TALKING and now >= self._clock.began + self._options.limit:
            raise MenuLimit(f"{self._options.limit:g} s in menus and queues")
        if self.place is Place.CHOOSING and now >= self._sounded + DEAD:
            raise MenuLimit(f"no sound for {DEAD:g} s after a key")
        if self.place is not Place.MENU or now < self._quiet_since + self._options.pause:
            return ""
        text = " ".join([*self._prompt, self._partial]).strip()[-LETTERS:]
        self._prompt, self._sounded = [], inf
        self._go(Place.CHOOSING, now)
        return self._told(text)

    def extend(self, now: float) -> None:
        """Note that the operator's key was pressed: somebody has at most `LAST_WAIT` seconds to come."""
        self._clock.began = now - self._options.limit + self._options.pause + LAST_WAIT

    def _told(self, text: str) -> str:
        """The menu as the model gets it. Raises `MenuLimit` if it came too often."""
        known = self._known(text)
        if known is None:
            self._before.append(frozenset(_words(text)))
            known = len(self._before) - 1
        self._counts[known] += 1
        count = self._counts[known]
        if count > self._options.loops:
            raise MenuLimit(f"the same menu {count} times")
        again = f", heard {count} times; keys pressed so far: {self.pressed or 'none'}" if count > 1 else ""
        return f"[telephone menu{again}] {text}"

    def _judge(self, text: str, *, final: bool) -> MenuWords:
        if asks_for_keys(text):
            return MenuWords.KEYS
        if final and asks_to_wait(text):
            return MenuWords.WAIT
        return MenuWords.REPEATED if final and self._known(text) is not None else MenuWords.OTHER

    def _known(self, text: str) -> int | None:
        """The number of an earlier recording that is the same as `text`; None if there is none."""
        words = frozenset(_words(text))
        for number, before in enumerate(self._before):
            if len(words) > LITTLE and _alike(words, before):
                return number
        return None

    def _go(self, place: Place, now: float) -> None:
        if place is not Place.TALKING and self.place is Place.TALKING:
            self._clock.go_on(now)
        elif place is Place.TALKING and self.place is not place:
            self._clock.left = now
        self.place = place


def _words(text: str) -> list[str]:
    """The words of `text`, with digits as figures: recognisers write "press one" until the text is final, and then
    "press 1"."""
    return tokens(text, tuple(SIGNS))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= ALIKE * len(one | other)
