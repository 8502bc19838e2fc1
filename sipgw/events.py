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
"""Seconds without any sound of the other side, while it sent packets or was gone, from which on they are a fault."""


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
    """The key of one call. The identity alone is not enough, because the caller chooses the Call-ID. If a Call-ID comes
    back after many other calls (`sipgw.calls.registry.REMEMBERED`), two calls have the same identity."""

    call: str
    """The identity."""
    began: datetime

    @property
    def name(self) -> str:
        """A name that no other call has. The row of the call has it as its identity if an earlier row has `call`."""
        return f"{self.call} {self.began.isoformat()}"


class CallBegan(NamedTuple):
    """A call began: the gateway admitted an INVITE, or sent one."""

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
    """The Call-ID of the INVITE that came in; other calls may have the same one."""
    tenant: str = ""
    """Tenant to whom the call belongs; empty: the call belongs to the installation itself."""

    @property
    def key(self) -> CallKey:
        """The call that began."""
        return CallKey(self.call, self.at)


def with_caller(began: CallBegan, trunk: str, made: dict[str, Any] | None) -> CallBegan:
    """`began` with the `trunk` that took an outgoing call, and with the caller ID and the numbers in `made`."""
    if made is None:
        return began
    return began._replace(trunk=trunk, caller=made.get("number") or "withheld", identity=made)


class CallRinging(NamedTuple):
    """The phone of the called person rings."""

    call: str
    at: datetime
    trunk: str = ""
    """The trunk that took an outgoing call; empty for a call that came in."""
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
    """For an outgoing call: the caller ID that is shown, and the numbers (`sipgw.sip.identity.Identity.as_dict`)."""


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
    """A report of the conversation: words, a turn, a tool, or a failure."""

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
    """A third has joined the call, has left it, or is in another mode now: who hears the third has changed."""

    call: str
    at: datetime
    party: str
    """Name of the third."""
    place: str
    """The address at which the third was called, or the page from which the third speaks."""
    mode: str
    """A `sipgw.calls.conference.Mode`; empty if the third has left."""


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
    """Whether the agent got these words: False if its notes were full, or if the call was ending."""


class MessageTaken(NamedTuple):
    """The agent has taken a message for somebody who is not there; the caller has confirmed name and number."""

    call: str
    at: datetime
    name: str
    number: str
    """The telephone number to call back, in E.164."""
    matter: str
    urgency: str
    """``low``, ``normal`` or ``urgent``."""


class TrunkAlarm(NamedTuple):
    """Too many calls of a trunk went badly, or no longer do. The event comes just before the `CallEnded` of the call
    that decided this."""

    call: str
    at: datetime
    trunk: str
    fault: Fault
    raised: bool
    """True: the alarm begins. False: the alarm is over."""
    bad: int
    """Calls with this fault among the latest `calls` calls."""
    calls: int


class CostAlarm(NamedTuple):
    """Today's calls have cost as much as `[alarms] cost`. The event comes once a day, during the call that reached
    it."""

    call: str
    at: datetime
    cost: float
    """Cost of today's calls, running calls included. A product without a price counts with its upper bound."""
    limit: float
    currency: str


class CallCharged(NamedTuple):
    """The cost of the call so far. The event is repeated while the call goes on: so the record and the caps of the day
    have the cost even if the process is killed."""

    call: str
    at: datetime
    cost: dict[str, Any]
    """See `sipgw.policy.cost.cost.Cost.as_dict`."""


class DocumentsUnread(NamedTuple):
    """An agent began a call before all of its documents had been read: it does not find passages of the others yet."""

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
    """The call is over; no further event of this call follows."""

    call: str
    at: datetime
    ending: Disposition
    media: dict[str, Any]
    """Counts and quality of the sound, and the file of the recording. `sounds` lists the sound of further legs."""
    replaced_by: tuple[dict[str, Any], ...] = ()
    """The later callers after transfers at the other side, in order."""
    cost: dict[str, Any] | None = None
    """See `sipgw.policy.cost.cost.Cost.as_dict`."""


def sounds(trunk: str, media: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Trunk and sound of each leg of a call on `trunk`; `media` is from its record. The caller's leg is the first.

    Legs of people who were called into the call follow (``legs``), with an empty trunk if they spoke from a page.
    """
    yield trunk, {name: value for name, value in media.items() if name != "legs"}
    legs = media.get("legs")
    for leg in legs if isinstance(legs, list) else ():  # a text in a record that was cut because it was too long
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
        """Give `event` to every watcher. An error of a watcher is logged."""
        for watcher in tuple(self._all):
            try:  # without the context manager `contained`, which takes longer than a watcher: events are many
                watcher(event)
            except Exception:
                log.exception("watcher failed")
