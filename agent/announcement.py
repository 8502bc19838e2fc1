"""One sentence for a caller who gets no conversation; then the call ends."""

import asyncio

import structlog

from agent.errors import ProviderError
from agent.limits import OPEN, boundary
from agent.line import Finished, Gone, Line, LineEvent
from agent.recorded import WORDS, recorded
from agent.records import Outcome
from agent.speech_output import SpeechOutput
from agent.tts import TextToSpeech

log = structlog.get_logger()

LIMIT = 30.0
"""Most seconds that the announcement may take."""


class Announcement:
    """Says `text` and ends as `outcome`. In a call it stands where a conversation does."""

    def __init__(self, line: Line, tts: TextToSpeech, text: str, outcome: Outcome, language: str) -> None:
        """`text` is in `language` (ISO 639-1)."""
        self._line = line
        self._tts = tts
        self._text = text
        self._outcome = outcome
        self._speech_output = SpeechOutput(line, tts, language)
        self._gone = asyncio.Event()

    async def open(self) -> None:
        """Get the voice ready; if that fails, a recorded sentence is said instead."""
        try:
            with boundary(self._tts.name):
                async with asyncio.timeout(OPEN):
                    await self._tts.open()
        except ProviderError as error:
            log.warning("announcement without its voice", cause=str(error))

    async def run(self) -> Outcome:
        """Say the sentence and return the outcome. It raises nothing except for a cancellation."""
        try:
            async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
                listening = group.create_task(self._line.listen(self._take))
                saying = group.create_task(self._say())
                gone = group.create_task(self._gone.wait())
                await asyncio.wait({saying, gone}, return_when=asyncio.FIRST_COMPLETED)
                for task in (listening, saying, gone):
                    task.cancel()
        except TimeoutError:
            log.warning("announcement cut off", seconds=LIMIT)
        await self.close()
        return self._outcome

    def _take(self, event: LineEvent) -> None:
        if isinstance(event, Finished):
            self._speech_output.finished(event)
        elif isinstance(event, Gone):
            self._gone.set()

    async def _say(self) -> None:
        try:
            with boundary(self._tts.name):
                await self._speech_output.speak(self._speech_output.begin(self._text), lambda: None)
        except ProviderError as error:
            log.warning("announcement without its voice", cause=str(error))
            self._speech_output.play(self._speech_output.begin(WORDS["apology"]), recorded("apology"))
        await self._speech_output.silent()

    async def close(self) -> None:
        """End the voice's session; safe to call twice, and without `run`."""
        try:
            with boundary(self._tts.name):
                async with asyncio.timeout(OPEN):
                    await self._tts.close()
        except ProviderError as error:
            log.warning("provider did not close", provider=self._tts.name, cause=str(error))
