"""Several language models, or several voices, as one: if one fails, the next one goes on from there.

`CircuitBreaker`, which all calls share, decides which one is asked first. A backup voice is kept for the rest of the
call. A model is chosen anew for every reply.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from agent.errors import ProviderError
from agent.limits import FIRST_SOUND, FIRST_TOKEN, GAP, OPEN, boundary, within
from agent.line import SAMPLE_RATE
from agent.llm import LanguageModel, Message, Piece, Text, ToolCall, ToolSchema, patience
from agent.parts import close_parts
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.extra import FIXED
from agent.rules.rule_error import RuleError, positive
from agent.tts import Inquiry, Speech, TextToSpeech, WordTime
from agent.ulaw import audible

SPOKEN = SAMPLE_RATE / 15
"""Samples of speech per character, as long as no measured value of the voice is known."""

STALLED = GAP - 2.0
"""Maximum seconds between two pieces of a model's reply, if there is another model, which gets the rest of `GAP` to
begin."""

UNKNOWN = Inquiry(lambda _samples, _told: None)
"""For a sentence that two voices have spoken: neither knows how much of it was heard."""

GO_ON = "[A fault cut your last words off. Go on exactly where they stop, and repeat nothing of them.]"
"""Instruction to the next model after a model broke off within a reply."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class FailoverOptions:
    """Time limits after which the next provider is tried, if the configuration names several for a part."""

    open_limit: float = field(default=1.5, metadata=FIXED)
    """Seconds within which a provider must be ready."""
    first_token: float = 2.5
    """Seconds within which the first piece of a model's reply must come."""
    first_sound: float = 1.5
    """Seconds within which the first sound of a sentence must come, and each further piece."""
    deaf_after: float = field(default=3.0, metadata=FIXED)
    """Seconds of speech without any report, after which the STT is replaced."""
    unheard_after: float = field(default=1.0, metadata=FIXED)
    """Seconds of silence after speech that was not reported, after which the STT is replaced."""
    stuck_after: float = field(default=7.0, metadata=FIXED)
    """Seconds of silence within an open turn, after which the STT is replaced; at least 2 s more than the silence after
    which it ends every turn itself."""

    def __post_init__(self) -> None:
        positive(self, *vars(self))
        whole = {"open_limit": OPEN, "first_token": FIRST_TOKEN, "first_sound": FIRST_SOUND}
        for name, limit in whole.items():
            if getattr(self, name) >= limit:
                raise RuleError(
                    f"must be below {limit:g} s, which is all the time there is: the next needs some of it", name
                )

    def check(self, llms: int) -> None:
        """Raises `RuleError` if, with `llms` models, the last one would have no time left for the first piece of a
        reply."""
        if llms > 1 and (llms - 1) * self.first_token >= FIRST_TOKEN:
            raise RuleError(
                f"with {llms} models it must be below {FIRST_TOKEN / (llms - 1):g} s, "
                f"since all of them together have {FIRST_TOKEN:g} s",
                "first_token",
            )


class FailoverLlm:
    """Several models as one."""

    def __init__(self, llms: Sequence[LanguageModel], health: CircuitBreaker, options: FailoverOptions) -> None:
        self._llms = llms
        self._health = health
        options.check(len(llms))
        self._options = options
        self.name = "/".join(llm.name for llm in llms)

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        """Stream the reply of the first model that works. If it breaks off, the next model continues the reply."""
        now, said, called = asyncio.get_running_loop().time, "", False
        order, soonest = self._health.order(now()), math.inf
        for number in order:
            llm, last = self._llms[number], number == order[-1]
            gone_on = [*messages, {"role": "assistant", "content": said}, {"role": "user", "content": GO_ON}]
            stream = llm.reply(gone_on if said else messages, tools)
            before = said
            first = patience(tools, FIRST_TOKEN if last else self._options.first_token)
            gap = patience(tools, GAP if last else STALLED)
            try:
                async with aclosing(within(stream, llm.name, first, gap)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Text):
                            text = glued(said, piece.delta) if said == before else piece.delta
                            said += text
                            yield Text(text)
                        else:
                            called |= isinstance(piece, ToolCall)
                            yield piece
                if not (said.strip() or called or last or messages[-1]["role"] == "tool"):
                    raise ProviderError(llm.name, "sent an empty reply")
            except ProviderError as error:
                self._health.failed(number, error, now())
                soonest = min(soonest, error.retry_after if error.temporary else math.inf)
                if last and soonest < error.retry_after:  # other models are asked before this one again
                    told = error.problem, error.advice
                    raise ProviderError(error.provider, told[0], advice=told[1], retry_after=soonest) from None
                if called or last:
                    raise
                _log.warning("llm_failed_over", provider=llm.name, problem=error.problem)
            else:
                self._health.worked(number, now())
                return

    async def close(self) -> None:
        """Close all models."""
        for llm in self._llms:
            await llm.close()


def glued(said: str, more: str) -> str:
    """`more`, the words of another model, with a space before it if the words `said` need one."""
    return f" {more}" if said and not said[-1].isspace() and more[:1].isalnum() else more


class FailoverTts:
    """Several voices as one, for one call."""

    def __init__(
        self, makers: Sequence[Callable[[], TextToSpeech]], health: CircuitBreaker, options: FailoverOptions
    ) -> None:
        self._tts_sessions = [make() for make in makers]
        self._health = health
        self._options = options
        self._order: list[int] = []
        self._opened: set[int] = set()
        self._rate = SPOKEN
        self.name = "/".join(tts.name for tts in self._tts_sessions)

    async def open(self) -> None:
        """Open the first voice that works. Raises `ProviderError` if none does."""
        order = self._health.order(asyncio.get_running_loop().time())
        self._order = [*order]
        for number in order:
            try:
                await self._ready(number)
            except ProviderError as error:
                self._pass_on(number, error)
                if number == order[-1]:
                    raise
            else:
                return

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """Stream one sentence. If a voice breaks off, the next voice says the rest."""
        whole = rest = " ".join(text.split())
        said, played = 0, 0  # letters and samples by voices that broke off
        left = {*self._order}  # voices that have not failed in this sentence
        while any(map(str.isalnum, rest)):
            if played:
                yield UNKNOWN
            samples, sounded, words = 0, False, list[WordTime]()
            number, last = next(one for one in self._order if one in left), len(left) == 1
            tts = self._tts_sessions[number]
            first = FIRST_SOUND if last else self._options.first_sound
            try:
                await self._ready(number)
                async with aclosing(
                    within(tts.speak(rest, f"{before} {whole[:said]}".strip()), tts.name, first, first)
                ) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, WordTime):
                            words.append(piece)
                            yield WordTime(said + piece.letters, played + piece.samples)
                            continue
                        if isinstance(piece, Inquiry):
                            yield UNKNOWN if played else piece
                            continue
                        samples += len(piece)
                        sounded = sounded or audible(piece)
                        yield piece
                if not sounded:
                    raise ProviderError(tts.name, "made no sound")
            except ProviderError as error:
                self._pass_on(number, error)
                left.discard(number)
                if not left:
                    raise
                if sounded and words:
                    rest = rest[max((word.letters for word in words if word.samples <= samples), default=0) :].lstrip()
                elif sounded:
                    rest = unsaid(rest, samples, self._rate)
                said, played = len(whole) - len(rest), played + samples
            else:
                self._rate += 0.3 * (samples / len(rest) - self._rate) if len(rest) >= 20 and samples else 0.0
                self._health.worked(number, asyncio.get_running_loop().time())
                return

    async def close(self) -> None:
        """End all sessions."""
        await close_parts(*(self._tts_sessions[number] for number in self._opened))

    async def _ready(self, number: int) -> None:
        if number in self._opened:
            return
        self._opened.add(number)
        tts = self._tts_sessions[number]
        try:
            async with asyncio.timeout(self._options.open_limit):
                with boundary(tts.name):
                    await tts.open()
        except TimeoutError:
            raise ProviderError(tts.name, f"not ready within {self._options.open_limit:g} s") from None

    def _pass_on(self, number: int, error: ProviderError) -> None:
        """Move the voice `number` to the end of the order, unless another sentence has done it."""
        self._health.failed(number, error, asyncio.get_running_loop().time())
        if self._order[0] == number and len(self._order) > 1:
            self._order.append(self._order.pop(0))
            _log.warning("tts_failed_over", provider=self._tts_sessions[number].name, problem=error.problem)


def unsaid(text: str, samples: int, rate: float) -> str:
    """The rest of `text`, from the beginning of a word, that was not spoken in `samples` at `rate` samples per
    character."""
    at = int(samples / rate)
    if at >= len(text):
        return ""
    return text[text.rfind(" ", 0, at + 1) + 1 :]
