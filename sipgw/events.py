"""Events of calls for their watchers: records, callbacks, metrics, the dashboard."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import structlog

from agent.records import Report
from media.process.channel import Quality

log = structlog.get_logger()


@dataclass(frozen=True)
class Disposition:
    """Why a call ended: a word for statistics and a sentence for people."""

    kind: str
    cause: str
    again: datetime | None = None
    """The time of the next attempt, if the gate named one."""


class Sound(NamedTuple):
    """Where the sound of a call is."""

    channel: int
    """Number of its channel: see `media.process.engine.MediaEngine.packets`."""
    host: str
    """Our address, as the other side knows it."""
    port: int
    """Our port of RTP."""


class CallBegan(NamedTuple):
    """An INVITE was let in, or one was sent."""

    call: str
    at: datetime
    direction: Literal["in", "out"]
    trunk: str
    agent: str
    caller: str
    """The caller's number; ``withheld`` if it is withheld."""
    called: str
    identity: dict[str, Any]
    """See `sipgw.sip.identity.Identity.as_dict`."""
    call_id: str = ""
    """The Call-ID that it came in with, which other calls may have too."""


class CallRinging(NamedTuple):
    """The phone of who is called rings."""

    call: str
    at: datetime
    trunk: str = ""
    """The one that took the call, if it goes out."""


class CallAnswered(NamedTuple):
    """The call was answered: sound flows, and it costs."""

    call: str
    at: datetime
    trunk: str = ""
    sound: Sound | None = None


class CallMeasured(NamedTuple):
    """The reception quality of the last five seconds; sent every five seconds."""

    call: str
    at: datetime
    quality: Quality


class AnsweredBy(NamedTuple):
    """The detected answerer of an outgoing call; sent again when the detection changes."""

    call: str
    at: datetime
    who: str
    """``human``, ``machine``, ``screen`` (which asks who calls, on behalf of a person) or ``fax``."""
    why: str


class CallReported(NamedTuple):
    """The conversation reports: words, turns, tools, failures."""

    call: str
    at: datetime
    report: Report


class CallTransferred(NamedTuple):
    """A transfer was tried; `accepted` says whether it succeeded."""

    call: str
    at: datetime
    to: str
    accepted: bool
    status: int
    reason: str


class SoundWithheld(NamedTuple):
    """Private words were said: the captured sound of the call is withheld."""

    call: str
    at: datetime


class CallEnded(NamedTuple):
    """The call is over; nothing of it follows."""

    call: str
    at: datetime
    ending: Disposition
    media: dict[str, Any]
    """Counts and quality of the sound, and the file of the recording."""
    replaced_by: tuple[dict[str, Any], ...] = ()
    """The later callers after transfers at the other side, in order."""
    cost: dict[str, Any] | None = None
    """See `sipgw.policy.cost.cost.Cost.as_dict`."""


Event = (
    CallBegan | CallRinging | CallAnswered | AnsweredBy | CallMeasured | CallReported | CallTransferred | SoundWithheld
    | CallEnded
)  # fmt: skip
Watcher = Callable[[Event], None]
T = TypeVar("T")


class Watchers(Generic[T]):
    """A list of watchers, e.g. of every `Event` of the calls. Each watcher gets every event at once and must not block.
    An error of one watcher does not affect the others.
    """

    def __init__(self, *first: Callable[[T], None]) -> None:
        self._all = list(first)

    def add(self, watcher: Callable[[T], None]) -> Callable[[], None]:
        """Add `watcher`; returns the function that removes it."""
        self._all.append(watcher)
        return lambda: self._all.remove(watcher)

    def tell(self, event: T) -> None:
        """Tell everybody."""
        for watcher in list(self._all):
            try:
                watcher(event)
            except Exception:  # the observer boundary
                log.exception("watcher failed")
