"""ElevenLabs' dialogue websocket, without input and output: the way to the v3 and v4 models, which the other refuses.

https://elevenlabs.io/docs/api-reference/text-to-dialogue/ttd-websocket, and `TextToDialogueWebsocket...Multi` of the
package elevenlabs. It has contexts as the other websocket has; each registers its voice with its first message.
"""

from typing import Any, ClassVar

from agent.providers.elevenlabs_ws import ElevenLabsSession, message

SETTINGS = ("stability", "clone_strength")
"""The settings of a voice that the models take."""


class DialogueSession(ElevenLabsSession):
    """/v1/text-to-dialogue/multi-stream-input. It gives up after 20 s without a message to a context."""

    query: ClassVar = {}
    alive: ClassVar = {"keep_alive": True}
    place = "text-to-dialogue"

    def opening(self) -> dict[str, Any]:
        """The first message of a context."""
        options = self._options
        settings = {name: value for name, value in options.voice_settings.items() if name in SETTINGS}
        told = {"voices": [options.voice_id], **options.only("pronunciation_dictionary_locators")}
        return told | ({"voice_settings": settings} if settings else {})

    def speak(self, context: str, text: str) -> list[str]:
        """The messages that have `text` spoken."""
        return [message(context, inputs=[{"text": text, "voice_id": self._options.voice_id}], flush=True)]
