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
    """The words of one person."""

    def __init__(self, stt: SpeechToText, tell: Callable[[str], None]) -> None:
        """`tell` gets each piece of speech when it has ended."""
        self._stt = stt
        self._tell = tell
        self._pending: bytearray | None = bytearray()

    def hear(self, ulaw: bytes) -> None:
        """Take mu-law sound of the person."""
        if self._pending is not None:
            self._pending += ulaw
            del self._pending[:-PENDING]
            return
        with suppress(ProviderError), boundary(self._stt.name):
            self._stt.send_audio(ulaw)

    async def run(self) -> None:
        """Listen until cancelled, or until STT fails: then the words are lost, and the call goes on."""
        try:
            with boundary(self._stt.name):
                await self._stt.open()
                sound, self._pending = bytes(self._pending or b""), None
                if sound:
                    self._stt.send_audio(sound)
                async for event in self._stt.events():
                    if isinstance(event, Transcript) and event.final and event.text.strip():
                        self._tell(event.text.strip())
        except ProviderError as error:
            log.warning("what a person in the call says is not written down", cause=str(error))
        finally:
            await close_parts(self._stt)
