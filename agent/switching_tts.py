"""The voices of one call: each agent has its own, in each language; one of them speaks."""

from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing

from agent.errors import ProviderError
from agent.limits import boundary
from agent.tts import Speech, TextToSpeech


class SwitchingTts:
    """Several voices as one. A voice is made when it is first needed."""

    def __init__(self, key: Hashable, make: Callable[[], TextToSpeech]) -> None:
        self._made: dict[Hashable, TextToSpeech] = {}
        self._ready: set[Hashable] = set()
        self.change(key, make)

    @property
    def name(self) -> str:
        """Name of the present voice."""
        return self._made[self._key].name

    def change(self, key: Hashable, make: Callable[[], TextToSpeech]) -> None:
        """Speak with the voice of `key` from the next sentence on; `make` makes it if it does not exist yet."""
        if key not in self._made:
            self._made[key] = make()
        self._key = key

    async def open(self) -> None:
        """See `TextToSpeech.open`."""
        key = self._key
        await self._made[key].open()
        self._ready.add(key)

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """See `TextToSpeech.speak`; a voice that speaks for the first time is opened."""
        tts = self._made[self._key]
        if self._key not in self._ready:
            await self.open()
        async with aclosing(tts.speak(text, before)) as sounds:
            async for sound in sounds:
                yield sound

    async def close(self) -> None:
        """See `TextToSpeech.close`. All voices are closed; then it raises the `ProviderError` of the last one that
        failed."""
        problem: ProviderError | None = None
        for tts in self._made.values():
            try:
                with boundary(tts.name):
                    await tts.close()
            except ProviderError as error:
                problem = error
        if problem is not None:
            raise problem
