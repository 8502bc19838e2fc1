"""Events of calls for their watchers: records, callbacks, metrics, the dashboard."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import structlog

from agent.records import Report
from media.process.channel import Quality

log = structlog.get_logger()

Fault = Literal["one_way", "foreign", "quality", "failed", "slow"]
"""Possible faults of a call: see `sipgw.trunks.call_alarms`."""
FAILED = ("failed", "refused", "interrupted", "line_lost", "transfer_failed")
"""Endings of calls that failed."""
FAULT_WORDS: dict[str, str] = {
    "one_way": "had sound in one direction only",
    "foreign": "got packets from other addresses than the announced ones",
    "quality": "had sound of low quality",
    "failed": "failed: a provider did not answer, or the call broke off",
    "slow": "were answered too slowly",
}
SHORTEST = 250
"""Packets that we must have sent (5 s) before silence on the other side is a fault."""
UNHEARD = 5.0
"""Seconds for which the other side sent or was gone, and nothing of it was heard, from which on they are a fault."""


@dataclass(frozen=True)
class Disposition:
    """Why a call ended: a word for statistics and a sentence for people."""

    kind: str
    cause: str
    again: datetime | None = None
    """The time of the next attempt, if the gate named one."""


class MediaAddress(NamedTuple):
    """Where the sound of a call is."""

    channel: int
    """Number of its channel: see `media.process.engine.MediaEngine.packets`."""
    host: str
    """Our address, as the other side knows it."""
    port: int
    """Our port of RTP."""


class CallKey(NamedTuple):
    """One call among all. Its identity is not enough: the caller chooses the Call-ID, and one that comes back after
    many other calls (`sipgw.calls.registry.REMEMBERED`) gives a later call the identity of an earlier one."""

    call: str
    """The identity."""
    began: datetime

    @property
    def name(self) -> str:
        """A name that no other call has. The row of the call has it as its identity if an earlier row has `call`."""
        return f"{self.call} {self.began.isoformat()}"


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
    tenant: str = ""
    """Tenant whose call it is; empty: that of the installation itself."""

    @property
    def key(self) -> CallKey:
        """The call that began."""
        return CallKey(self.call, self.at)


def with_caller(began: CallBegan, trunk: str, made: dict[str, Any] | None) -> CallBegan:
    """The beginning of a call out as it was `made` at last, through `trunk`."""
    if made is None:
        return began
    return began._replace(trunk=trunk, caller=made.get("number") or "withheld", identity=made)


class CallRinging(NamedTuple):
    """The phone of who is called rings."""

    call: str
    at: datetime
    trunk: str = ""
    """The one that took the call, if it goes out."""
    made: dict[str, Any] | None = None
    """See `CallAnswered`."""


class CallerVerified(NamedTuple):
    """The signed number of the caller was verified, or could not be."""

    call: str
    at: datetime
    stir: dict[str, Any]
    """The fields of `sipgw.sip.identity.Stir` that are not empty; `result` is one of them."""


class CallAnswered(NamedTuple):
    """The call was answered: sound flows, and it costs."""

    call: str
    at: datetime
    trunk: str = ""
    sound: MediaAddress | None = None
    made: dict[str, Any] | None = None
    """Of a call out, see `sipgw.sip.identity.Identity.as_dict`: the caller ID that is shown, and the numbers."""


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
    """``human``, ``machine``, ``screen`` (which asks who calls, on behalf of a person), ``menu`` or ``fax``."""
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


class PartyChanged(NamedTuple):
    """A third has joined the call or has left it, or others hear them from now on."""

    call: str
    at: datetime
    party: str
    """Their name."""
    place: str
    """The address at which they were called, or the page that they speak from."""
    mode: str
    """A `sipgw.calls.conference.Mode`; empty if they have left."""


OTHER_SIDE = "The caller"
"""The other side of the call as a `PartySaid.party`; a third has a name."""


class PartySaid(NamedTuple):
    """Words in a call that were written down for the agent, which did not hear them itself."""

    call: str
    at: datetime
    party: str
    """Speaker: `OTHER_SIDE`, or the name of the third."""
    words: str
    to: str
    """``agent`` for an instruction that the caller did not hear, else ``caller``."""
    told: bool = True
    """Whether there was room for them among the notes of the agent."""


class MessageTaken(NamedTuple):
    """The agent has taken a message for somebody who is not there; the caller has confirmed name and number."""

    call: str
    at: datetime
    name: str
    number: str
    """To call back, in E.164."""
    matter: str
    urgency: str
    """``low``, ``normal`` or ``urgent``."""


class TrunkAlarm(NamedTuple):
    """Too many calls of a trunk went badly, or no longer do; told just before the `CallEnded` of the last one."""

    call: str
    at: datetime
    trunk: str
    fault: Fault
    raised: bool
    """False: the alarm is over."""
    bad: int
    """Calls with this fault among the latest `calls` calls."""
    calls: int


class CostAlarm(NamedTuple):
    """Today's calls have cost as much as is worth an alarm; told once a day, during the call that reached it."""

    call: str
    at: datetime
    cost: float
    """Of today's calls, those that go on included; what has no price counts with its upper bound."""
    limit: float
    currency: str


class CallCharged(NamedTuple):
    """The cost of the call so far; told again and again while it goes on, so that a process that is killed leaves it in
    the record and the caps of the day count it."""

    call: str
    at: datetime
    cost: dict[str, Any]
    """See `sipgw.policy.cost.cost.Cost.as_dict`."""


class DocumentsUnread(NamedTuple):
    """An agent speaks that does not know all of its documents yet: they are being read."""

    call: str
    at: datetime
    agent: str
    files: int
    """Number of files without passages."""


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
    """Counts and quality of the sound, and the file of the recording; of further people in the call see `sounds`."""
    replaced_by: tuple[dict[str, Any], ...] = ()
    """The later callers after transfers at the other side, in order."""
    cost: dict[str, Any] | None = None
    """See `sipgw.policy.cost.cost.Cost.as_dict`."""


def sounds(trunk: str, media: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Trunk and sound of each leg of a call on `trunk`; `media` is what its record has. The caller's is the first.

    Legs of people who were called into it follow (``legs``), with an empty trunk if they spoke from a page.
    """
    yield trunk, {name: value for name, value in media.items() if name != "legs"}
    legs = media.get("legs")
    for leg in legs if isinstance(legs, list) else ():  # of a call with very much else, a text
        yield str(leg["trunk"]), leg


def is_deaf(media: Mapping[str, Any]) -> bool:
    """Whether we did not hear the other side: from the start, or for some time after it had been heard (`unheard`)."""
    mute = media.get("sent", 0) >= SHORTEST and not media.get("received", 0)
    return bool(mute or media.get("unheard", 0) >= UNHEARD)


Event = (
    CallBegan | CallerVerified | CallRinging | CallAnswered | AnsweredBy | CallMeasured | CallReported | CallTransferred
    | PartyChanged | PartySaid | MessageTaken | TrunkAlarm | CostAlarm | CallCharged | DocumentsUnread | SoundWithheld
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
        for watcher in tuple(self._all):
            try:  # without the context manager `contained`, which takes longer than a watcher: events are many
                watcher(event)
            except Exception:
                log.exception("watcher failed")
