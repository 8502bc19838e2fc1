"""ElevenLabs' dialogue endpoint by HTTP: the way to the v3 and v4 models, which the others do not serve."""

import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from agent.errors import ProviderError
from agent.providers.elevenlabs import IN_URL, NAME, SOUND_FORMAT, ElevenLabsOptions, body_fault
from agent.providers.extra import in_query, merged
from agent.providers.faults import wait_of
from agent.providers.http_tts import HttpSpeech


class DialogueSpeech(HttpSpeech):
    """/v1/text-to-dialogue/stream."""

    name = NAME

    def __init__(self, options: ElevenLabsOptions) -> None:
        super().__init__(options)
        self._options = options

    @property
    def url(self) -> str:
        """ElevenLabs'."""
        return self._options.url.rstrip("/")

    def request(self, text: str) -> tuple[str, dict[str, str], bytes]:
        """The POST for `text`, as a dialogue of one voice."""
        options = self._options
        body: dict[str, Any] = {
            "inputs": [{"text": text, "voice_id": options.voice_id}],
            "model_id": options.model,
        }
        if "stability" in options.voice_settings:  # the only one that it takes
            body["settings"] = {"stability": options.voice_settings["stability"]}
        if options.language_code:
            body["language_code"] = options.language_code
        query = urllib.parse.urlencode(in_query({"output_format": SOUND_FORMAT}, options.only(*IN_URL)))
        url = f"{self.url}/v1/text-to-dialogue/stream?{query}"
        return (
            url,
            {"xi-api-key": options.api_key, "Content-Type": "application/json"},
            json.dumps(merged(body, options.without(*IN_URL, "voice_settings"))).encode(),
        )

    def refusal(self, status: int, body: bytes, fields: Mapping[str, str]) -> ProviderError:
        """The error; ElevenLabs says why in the body."""
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            told = None
        error = body_fault(status, told, self._options.api_key)
        error.retry_after = wait_of(fields) or error.retry_after
        return error
