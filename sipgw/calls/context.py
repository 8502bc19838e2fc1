"""State that all parts of one call share: its line, recording, bill, conversation and events."""

import asyncio
from datetime import UTC, datetime

import structlog

from agent.base_conversation import BaseConversation
from agent.call_control import CallControl, CallControlRefused
from agent.records import HandedOver, Report, Used
from media.process import channel as media
from sipgw.calls.amd import AmdTalk
from sipgw.calls.info import CallInfo, SessionEvent, SessionState, following
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.scribe import Scribe
from sipgw.events import (
    CallAnswered,
    CallCharged,
    CallMeasured,
    CallReported,
    Disposition,
    Event,
    MediaAddress,
    Watchers,
)
from sipgw.policy.cost.cost import Bill, Cost
from sipgw.records.artifacts.recordings import CallRecording

log = structlog.get_logger()


class CallContext:
    """Owns the parts of a call. `CallSession` creates it, and the other parts of the call use it."""

    def __init__(self, info: CallInfo, watchers: Watchers[Event]) -> None:
        self.info = info
        self.state = SessionState.NEW
        self.line = PhoneLine(inband_keys=info.direction == "in" and info.trunk.inband_keys)
        self.call_recording = CallRecording()
        self.bill: Bill | None = None
        self.conversation: BaseConversation | None = None
        self.amd: AmdTalk | None = None
        """The answering-machine detection of an outgoing call; None in other calls."""
        self.scribe: Scribe | None = None
        """Writes down what the caller says while the agent is silent."""
        self.stopped: Disposition | None = None
        """The ending, if the call was ended on our side."""
        self.messages = 0
        """Number of messages that agents have taken in this call."""
        self.judged = asyncio.Event()
        """Set unless the signed number of the caller is being verified."""
        self.judged.set()
        self._watchers = watchers

    async def verified(self) -> bool:
        """Whether the number of the other side is verified: the carrier has attested it, or we called it. Waits for a
        verdict that is on its way."""
        await self.judged.wait()
        return self.info.direction == "out" or self.info.identity.verified

    def advance(self, event: SessionEvent) -> None:
        """Change the state. Raises `RuntimeError` where `event` cannot happen."""
        self.state = following(self.state, event)

    def stop(self, disposition: Disposition) -> None:
        """Set the reason why the call is ended on our side; the first reason counts."""
        self.stopped = self.stopped or disposition

    def tell(self, event: Event) -> None:
        """Send `event` of this call to all watchers."""
        self._watchers.tell(event)

    @property
    def call_control(self) -> CallControl:
        """The live control of the conversation. Raises `CallControlRefused` before the call is answered."""
        if self.conversation is None or self.info.answered is None:
            raise CallControlRefused("the call is not answered yet")
        return self.conversation.call_control

    @property
    def cost(self) -> Cost | None:
        """The cost of the call so far."""
        return self.bill.cost(datetime.now(UTC)) if self.bill else None

    def note_cost(self) -> None:
        """Send an event with the cost of the call so far."""
        if (cost := self.cost) is not None:
            self.tell(CallCharged(self.info.id, datetime.now(UTC), cost.as_dict()))

    def answered(self, sound: MediaAddress) -> None:
        """Note that the call is answered, with sound at `sound`, and start the bill."""
        info = self.info
        self.advance(SessionEvent.ANSWER)
        info.answered = datetime.now(UTC)
        if self.bill is not None:
            self.bill.trunk, self.bill.answered = info.trunk.name, info.answered
        log.info("call answered", trunk=info.trunk.name, seconds=(info.answered - info.began).total_seconds())
        made = info.identity.as_dict() if info.direction == "out" else None
        self.tell(CallAnswered(info.id, info.answered, info.trunk.name, sound, made))

    def on_media(self, event: media.MediaEvent) -> None:
        """Handle an event of the media process for the channel of this call."""
        match event:
            case media.Frames():  # nearly all events
                if self.amd is not None:
                    self.amd.hear(event.ulaw)
                if self.scribe is not None and not self.line.is_private:
                    self.scribe.hear(event.ulaw)
            case media.Recorded():
                self.call_recording.on_recorded(event)
                return
            case media.Quality():
                self.tell(CallMeasured(self.info.id, datetime.now(UTC), event))
                return
            case media.Dead(cause):
                self.call_recording.on_dead(cause)
        self.line.on_media(event)

    def report(self, report: Report) -> None:
        """Take what the conversation reports."""
        if isinstance(report, Used):
            if self.bill is not None:
                self.bill.used(report)
        elif isinstance(report, HandedOver):
            self.info.hand_over(report.agent)
        self.tell(CallReported(self.info.id, datetime.now(UTC), report))
        if self.amd is not None:
            self.amd.understand(report)
