"""Several speech-to-speech sessions of one call: if a session is lost, a new one gets the history and goes on.

The same happens if another agent, perhaps with other providers and another voice, takes the call over.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from agent.errors import ProviderError
from agent.limits import OPEN, boundary
from agent.line import SAMPLE_RATE
from agent.llm import ToolCall
from agent.meter import REPORTED, UsageReport
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.failover import FailoverOptions
from agent.realtime import Brief, RealtimeEvent, RealtimeModel, Reopened
from agent.records import Used

REOPENED = 3
"""Maximum number of new sessions of a call within `WITHIN`."""
WITHIN = 300.0
"""Seconds in which new sessions are counted. Services end a session by themselves after 10 minutes or more."""
GOODBYE = 0.05
"""Seconds within which a lost session may end."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class RealtimeProviders:
    """The providers of an agent that replace each other, best first, and their health, which all calls share."""

    makers: Sequence[Callable[[Brief], RealtimeModel]]
    options: FailoverOptions
    health: CircuitBreaker = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "health", CircuitBreaker(len(self.makers)))


class FailoverRealtime:
    """Several sessions as one, for one call."""

    def __init__(self, realtimes: Callable[[str], RealtimeProviders], agent: str, report: UsageReport) -> None:
        """`realtimes` gives the providers of an agent; `agent` is the first agent; `report` gets each use of a
        provider."""
        self.brief: Callable[[], Brief] = lambda: Brief("")
        self._realtimes = realtimes(agent)
        self._of = realtimes
        self._next_agent = ""
        """The agent that shall take the call over; empty if none shall, or after it has."""
        self._report = report
        self._live: RealtimeModel | None = None
        self._number = 0
        self._patience: asyncio.Timeout | None = None
        self._given_up = ""
        self._closed = False
        self._samples = 0
        self._calls: set[str] = set()

    @property
    def name(self) -> str:
        """Provider and model of the present session."""
        return self._live.name if self._live else "realtime"

    @property
    def product(self) -> str:
        """See `agent.realtime.RealtimeModel.product`."""
        return self._live.product if self._live else "realtime"

    @property
    def full_duplex(self) -> bool:
        """See `agent.realtime.RenewableRealtime.full_duplex`."""
        return bool(getattr(self._live, "full_duplex", False))

    async def open(self) -> None:
        """Begin with the first provider that works. Raises `ProviderError` if none does."""
        await self._open()

    def send_audio(self, ulaw: bytes) -> None:
        """Take mu-law sound. Without a session the sound is lost."""
        if self._live is not None:
            self._live.send_audio(ulaw)
            self._samples += len(ulaw)
            if self._samples >= REPORTED * SAMPLE_RATE:
                self._tell_used()

    async def events(self) -> AsyncIterator[RealtimeEvent]:
        """Yield the events of the session until `close`. Raises `ProviderError` when no further session can begin."""
        lost = deque[float]((), REOPENED + 1)
        while self._live is not None:
            stream = self._live.events()
            try:
                while (event := await self._next(stream)) is not None:
                    yield event
                if self._closed:
                    return
                raise ProviderError(self.name, "it ended the session")
            except ProviderError as error:
                if self._closed:
                    return
                if not self._next_agent:
                    lost.append(self._now())
                    self._lost(error, last=len(lost) > REOPENED and lost[-1] - lost[0] < WITHIN)
            await self._leave()
            await self._open()
            if self._closed:
                return
            yield Reopened()

    def give_up(self, problem: str) -> None:
        """Treat the present session as lost, because of `problem`. This may be called while one of its events is
        handled."""
        if self._live is None or self._given_up:
            return
        self._given_up = problem
        if self._patience is not None:
            self._patience.reschedule(self._now())

    def renew(self, agent: str) -> None:
        """See `agent.realtime.RenewableRealtime.renew`."""
        self._next_agent = agent
        if self._patience is not None:
            self._patience.reschedule(self._now())

    def cut(self, reply: str, samples: int) -> None:
        """See `RealtimeModel.cut`."""
        if self._live is not None:
            self._live.cut(reply, samples)

    def hush(self) -> None:
        """See `RealtimeModel.hush`."""
        if self._live is not None:
            self._live.hush()

    def answer(self, call: str, result: str, *, failed: bool = False) -> None:
        """See `RealtimeModel.answer`. If the session that called the tool is lost, the next session gets the result."""
        if self._next_agent:
            return  # the new session has it in its brief
        if self._live is not None and call in self._calls:
            self._calls.discard(call)
            self._live.answer(call, result, failed=failed)
        elif self._live is not None:
            self._live.prompt(f"What you had looked up before the fault has come: {result} Tell the caller.")

    def prompt(self, instructions: str, *, aside: bool = False) -> None:
        """See `RealtimeModel.prompt`."""
        if self._live is not None:
            self._live.prompt(instructions, aside=aside)

    def tell(self, text: str) -> None:
        """See `RealtimeModel.tell`."""
        if self._live is not None:
            self._live.tell(text)

    def instruct(self, instructions: str) -> None:
        """See `RealtimeModel.instruct`."""
        if self._live is not None:
            self._live.instruct(instructions)

    async def close(self) -> None:
        """End the session; safe to call twice."""
        self._closed = True
        live, self._live = self._live, None
        self._tell_used(live.product if live else "")
        if live is not None:
            with boundary(live.name):
                async with asyncio.timeout(OPEN):
                    await live.close()

    async def _next(self, stream: AsyncIterator[RealtimeEvent]) -> RealtimeEvent | None:
        """The next event, None at the end. Raises `ProviderError` also when the session was given up."""
        try:
            async with asyncio.timeout(0.0 if self._next_agent or self._given_up else None) as self._patience:
                with boundary(self.name):
                    event = await anext(stream, None)
        except TimeoutError:
            raise ProviderError(self.name, self._given_up) from None
        finally:
            self._patience = None
        if isinstance(event, ToolCall):
            self._calls.add(event.id)
        return event

    def _lost(self, error: ProviderError, *, last: bool) -> None:
        """Note the failure of the session. Raises `error` if no other session may follow."""
        self._realtimes.health.failed(self._number, error, self._now())
        _log.warning("realtime_failed", provider=self.name, problem=error.problem)
        if last or not (error.temporary or len(self._realtimes.makers) > 1):
            raise error

    async def _open(self) -> None:
        if agent := self._next_agent:
            self._next_agent, self._realtimes = "", self._of(agent)
        makers, health = self._realtimes.makers, self._realtimes.health
        limit = self._realtimes.options.open_limit if len(makers) > 1 else OPEN
        problem = ProviderError("realtime", "there is no provider")
        for number in health.order(self._now()):
            brief = self.brief()
            live = makers[number](brief)
            try:
                await self._begin(live, limit)
            except ProviderError as error:
                problem = error
                health.failed(number, error, self._now())
                _log.warning("realtime_failed", provider=live.name, problem=error.problem)
                continue
            health.worked(number, self._now())
            if self._closed:
                return
            self._live, self._number, self._calls = live, number, set()
            if (now_known := self.brief().instructions) != brief.instructions:
                live.instruct(now_known)
            return
        raise problem

    async def _begin(self, live: RealtimeModel, limit: float) -> None:
        """Open a session. A session that fails, or that is no longer wanted when it is open, is closed, because it may
        be billed."""
        wanted = False
        try:
            with boundary(live.name):
                try:
                    async with asyncio.timeout(limit):
                        await live.open()
                except TimeoutError:
                    raise ProviderError(live.name, f"no session within {limit:g} s") from None
            wanted = not self._closed
        finally:
            if not wanted:
                await self._end(live)

    async def _leave(self) -> None:
        live, self._live, self._given_up = self._live, None, ""
        if live is not None:
            self._tell_used(live.product)
            await self._end(live)

    @staticmethod
    async def _end(live: RealtimeModel) -> None:
        with suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(GOODBYE):
                with boundary(live.name):
                    await live.close()

    def _tell_used(self, product: str = "") -> None:
        samples, self._samples = self._samples, 0
        if samples:
            self._report(Used("realtime", product or self.product, "seconds", samples / SAMPLE_RATE))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
