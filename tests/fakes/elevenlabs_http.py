"""ElevenLabs' HTTP stream with times as a local server, as strict as the real one."""

import base64
import json
from typing import Any

from tests.fakes.elevenlabs import TtsFaults, alignment, pieces, sound_of
from tests.fakes.http import Exchange, HttpServer

PATH = r"/v1/text-to-speech/[^/]+/stream/with-timestamps"


def in_seconds(times: dict[str, Any], begin: int) -> dict[str, Any]:
    """The same by HTTP: in seconds from the beginning of the whole sound."""
    starts = [begin / 8000 + one / 1000 for one in times["charStartTimesMs"]]
    return {
        "characters": times["chars"],
        "character_start_times_seconds": starts,
        "character_end_times_seconds": [
            start + duration / 1000 for start, duration in zip(starts, times["charDurationsMs"], strict=True)
        ],
    }


class FakeElevenLabsHttp(HttpServer):
    """The HTTP stream with times: a line of JSON for each piece. `texts` are the sentences in the order in which they
    came."""

    def __init__(self, faults: TtsFaults | None = None, *, key: str = "xi-key", aligned: bool = True) -> None:
        """Without `aligned` it tells no times."""
        super().__init__()
        self.key = key
        self._aligned = aligned
        self.texts: list[str] = []
        self._faults = faults or TtsFaults(sentence=0)

    async def respond(self, exchange: Exchange) -> None:
        if refusal := self._refusal(exchange):
            await exchange.answer(*refusal)
            return
        text = json.loads(exchange.body)["text"]
        self.texts.append(text)
        faults = self._faults.of(len(self.texts))
        if faults.refuse_status is not None:
            code, words = faults.error or ("unheard_of", "no")
            body = faults.body or {"detail": {"status": code, "message": words}}
            await exchange.answer(faults.refuse_status, body, {"request-id": "r1"})
            return
        await exchange.start(200, "application/json", {"current-concurrent-requests": "1"})
        ulaw, sent = b"" if faults.no_sound else sound_of(text), 0
        for count, piece in enumerate(pieces(ulaw)):
            if count == faults.cut_after:
                exchange.reset()
                return
            if count == faults.hold_after:
                await exchange.hang()
                return
            times = self.timed(alignment(text, len(ulaw), sent, sent + len(piece)), sent) if self._aligned else None
            sent += len(piece)
            audio = "%%%" if faults.nonsense else base64.b64encode(piece).decode()
            line = {"audio_base64": audio, "alignment": times, "normalized_alignment": times}
            await exchange.send(json.dumps(line).encode() + b"\n")
        await exchange.finish()

    def timed(self, times: dict[str, Any], begin: int) -> Any:
        """How the times of a piece are told that begins at the sample `begin`."""
        return in_seconds(times, begin)

    def _refusal(self, exchange: Exchange) -> tuple[int, Any] | None:
        if exchange.headers.get("xi-api-key") != self.key:
            return 401, {"detail": {"status": "invalid_api_key", "message": "Invalid API key"}}
        parts = exchange.path.split("/")
        if (
            exchange.method != "POST"
            or parts[:3] != ["", "v1", "text-to-speech"]
            or parts[4:] != ["stream", "with-timestamps"]
        ):
            return 404, {"detail": "Not Found"}
        if exchange.query.get("output_format") != "ulaw_8000":
            return 400, {"detail": {"status": "invalid_output_format", "message": "this fake speaks ulaw_8000 only"}}
        fields = json.loads(exchange.body)
        if "multilingual" in fields.get("model_id", "") and "language_code" in fields:
            return 400, {"detail": {"status": "unsupported_language", "message": "the model takes no language_code"}}
        if not isinstance(fields.get("text"), str):
            return 422, {"detail": [{"loc": ["body", "text"], "msg": "field required", "type": "missing"}]}
        return None
