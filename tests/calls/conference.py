"""A call in which caller, agent and third have a tone each, and who hears whom. Real SIP and RTP, strict fakes."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from media.g711 import FRAME
from sipgw.calls.conference import Mode
from sipgw.calls.session import CallSession
from sipgw.config.people import PersonOptions
from sipgw.events import Event, PartyChanged
from tests.callee import Callee, callee
from tests.calls.test_bridged_transfer import nothing_left, trunks
from tests.calls.test_live_control import answered
from tests.cloud import Cloud, cloud
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.media.tones import heard, tone
from tests.phone import Phone, calling
from tests.waiting import until

CALLER, AGENT, THIRD = tone("caller"), tone("agent"), tone("third")
ENOUGH = 25
"""Packets in a row that show who is heard."""
HEARS: dict[Mode, tuple[str, str, str]] = {
    Mode.LISTEN: ("agent", "caller agent", "caller"),
    Mode.WHISPER: ("agent", "caller agent", "caller"),
    Mode.CONFERENCE: ("agent third", "caller agent", "caller third"),
    Mode.CONSULT: ("music", "agent", "third"),
    Mode.NOTES: ("third", "caller", ""),
    Mode.TAKE_OVER: ("third", "caller", ""),
}
"""Whom caller, third and agent hear in each mode."""


@dataclass
class World:
    """A call with its caller and somebody who can be called into it."""

    gateway: Cloud
    call: CallSession
    caller: Phone
    callee: Callee
    events: list[Event] = field(default_factory=list)
    _utterances: itertools.count = field(default_factory=lambda: itertools.count(1_000_000))  # type: ignore[type-arg]

    @property
    def third(self) -> Phone:
        return self.callee.phones[-1]

    def agent_speaks(self) -> None:
        """Its tone for a minute; it has no end, so that the conversation hears nothing of it."""
        self.call.context.line.say(next(self._utterances), AGENT * 50 * 60)

    def parties(self) -> list[tuple[str, str]]:
        return [(one.party, one.mode) for one in self.events if isinstance(one, PartyChanged)]

    def told(self, text: str) -> bool:
        return any(text in str(message["content"]) for message in self.call.call_control.messages)


@contextlib.asynccontextmanager
async def world(
    folder: Path, third: Callee, person: PersonOptions | None = None, **more: object
) -> AsyncIterator[World]:
    """A call in which the caller sounds their tone; anna sounds hers once she has picked up."""
    anna = person or PersonOptions("anna", f"sip:anna@127.0.0.1:{third.port}")
    settings: dict[str, object] = {"further": [[]], "trunks": trunks(None)} | more
    said: Sequence[Said] = settings.pop("said", ())  # type: ignore[assignment]
    async with cloud(
        folder,
        said,
        [Reply(text=["Yes?"])],
        change=lambda config: replace(config, people=(anna,)),
        **settings,  # type: ignore[arg-type]
    ) as gateway:
        async with calling(gateway.target, lambda frame: CALLER) as caller:
            found = World(gateway, await answered(gateway), caller, third)
            gateway.gateway.watchers.add(found.events.append)
            yield found
        await until(lambda: nothing_left(gateway))


def third(sound: bytes = THIRD):  # type: ignore[no-untyped-def]
    return callee(sound=lambda frame: sound)


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


async def hears(phone: Phone, wanted: str) -> None:
    """Wait until the last packets, of those to come, have the wanted tones, all of them, and nothing else."""
    before = len(phone.received)

    def there() -> bool:
        last = [packet.payload for _, packet in phone.received[before:][-ENOUGH:]]
        if wanted == "music":
            return len(last) == ENOUGH and len(set(last)) > ENOUGH // 2
        return len(last) == ENOUGH and all(heard(payload) == names(wanted) for payload in last)

    await until(there)


async def agent_hears(gateway: Cloud, wanted: str, session: int = 0) -> None:
    """Wait until the end of what STT got has the wanted tones."""
    audio = gateway.stt.sessions[session].audio
    start = len(audio)

    def there() -> bool:
        last = bytes(audio[-10 * FRAME :])
        return len(audio) > start + 20 * FRAME and heard(last) == names(wanted)

    await until(there)
