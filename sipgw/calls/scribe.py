"""Writes down what one person says: a session of STT of its own, beside that of the agent."""

from collections.abc import Callable
from contextlib import suppress

import structlog

from agent.errors import ProviderError
from agent.limits import boundary
from agent.line import SAMPLE_RATE
from agent.parts import close_parts
from agent.stt import SpeechToText, Transcript

log = structlog.get_logger()

PENDING = 5 * SAMPLE_RATE
"""Samples that wait until the session is open; the oldest are dropped."""


class Scribe:
    """Writes down the words of one person by its own session of STT."""

    def __init__(self, make: Callable[[], SpeechToText], tell: Callable[[str], None]) -> None:
        """`make` makes the session; `tell` gets each piece of speech when it has ended."""
        self._make = make
        self._tell = tell
        self._pending = bytearray()
        self._stt: SpeechToText | None = None
        """The session of STT; None until it is open."""

    def hear(self, ulaw: bytes) -> None:
        """Take mu-law sound of the person."""
        if self._stt is None:
            self._pending += ulaw
            del self._pending[:-PENDING]
            return
        with suppress(ProviderError), boundary(self._stt.name):
            self._stt.send_audio(ulaw)

    async def run(self) -> None:
        """Listen until cancelled, or until STT fails: then the words are lost, and the call goes on."""
        try:
            with boundary("stt"):
                stt = self._make()
            try:
                await self._listen(stt)
            finally:
                await close_parts(stt)
        except ProviderError as error:
            log.warning("what a person in the call says is not written down", cause=str(error))

    async def _listen(self, stt: SpeechToText) -> None:
        with boundary(stt.name):
            await stt.open()
            self._stt = stt
            if self._pending:
                stt.send_audio(bytes(self._pending))
            async for event in stt.events():
                if isinstance(event, Transcript) and event.final and event.text.strip():
                    self._tell(event.text.strip())
