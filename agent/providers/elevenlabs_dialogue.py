"""ElevenLabs' dialogue websocket, which has the v3 and v4 models; the other websocket refuses them. Sans-IO.

https://elevenlabs.io/docs/api-reference/text-to-dialogue/ttd-websocket, and `TextToDialogueWebsocket...Multi` of the
package elevenlabs. It has contexts like the other websocket. The first message of each context registers its voice.
"""

from typing import Any, ClassVar

from agent.providers.elevenlabs_ws import ElevenLabsSession, message

SETTINGS = ("stability", "clone_strength")
"""The settings of a voice that these models take."""


class DialogueSession(ElevenLabsSession):
    """ElevenLabs' protocol of ``/v1/text-to-dialogue/multi-stream-input``. The service ends a context after 20 s
    without a message."""

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
