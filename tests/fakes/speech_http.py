"""Voices by HTTP as local servers, as strict as the real ones: OpenAI's speech, Amazon Polly."""

import asyncio
import hashlib
import hmac
import json
import re
from array import array
from typing import Any

from agent import ulaw
from tests.fakes.elevenlabs import TtsFaults, pieces, sound_of
from tests.fakes.http import Exchange, HttpServer


class SpeechHttp(HttpServer):
    """`texts` are the sentences in the order in which they came."""

    def __init__(self, faults: TtsFaults | None = None, *, key: str = "the-key", delay: float = 0.0) -> None:
        super().__init__()
        self.key = key
        self.texts: list[str] = []
        self._faults = faults or TtsFaults(sentence=0)
        self._delay = delay

    def release(self) -> None:
        """Nothing is held: an answer that nobody listens to is over."""

    async def respond(self, exchange: Exchange) -> None:
        status, words, text = self.understand(exchange)
        if status:
            await exchange.answer(status, self.error("refused", words))
            return
        if self._faults.refuse_status:
            status, fields = self.refuse(self._faults.refuse_status)
            await exchange.answer(status, self.error("x", "no"), {"retry-after": "7", **fields})
            return
        self.texts.append(text)
        await asyncio.sleep(self._delay)
        faults = self._faults.of(len(self.texts))
        if faults.error is not None:
            await exchange.answer(401, self.error(*faults.error))
            return
        await exchange.start(200, "application/json" if faults.nonsense else "audio/x")
        for count, piece in enumerate(pieces(b"" if faults.no_sound else self.sound(text))):
            if count == faults.cut_after:
                exchange.reset()
                return
            if count == faults.hold_after:
                await exchange.hang()
                return
            await exchange.send(piece)
        if faults.cut_at_end:
            exchange.reset()
            return
        await exchange.finish()

    def understand(self, exchange: Exchange) -> tuple[int, str, str]:
        """Status (0 if all is well) and words of a refusal, and the text."""
        raise NotImplementedError

    def error(self, code: str, words: str) -> Any:
        raise NotImplementedError

    def refuse(self, status: int) -> tuple[int, dict[str, str]]:
        """How this server tells what others tell by `status`, and fields of the answer's head."""
        return status, {}

    def sound(self, text: str) -> bytes:
        return sound_of(text)


class FakeOpenAISpeech(SpeechHttp):
    """Has no mu-law: 24 kHz linear."""

    def understand(self, exchange):
        if (exchange.method, exchange.path) != ("POST", "/audio/speech"):
            return 404, "Invalid URL", ""
        if exchange.headers.get("authorization") != f"Bearer {self.key}":
            return 401, "Incorrect API key provided", ""
        fields = json.loads(exchange.body)
        unknown = set(fields) - {"model", "voice", "input", "response_format", "speed", "instructions"}
        if unknown or fields.get("response_format") != "pcm" or not 0 < len(fields.get("input", "")) <= 4096:
            return 400, f"Invalid request {unknown}", ""
        return 0, "", fields["input"]

    def error(self, code, words):
        return {"error": {"message": words, "type": "invalid_request_error", "param": None, "code": code}}

    def sound(self, text: str) -> bytes:
        """Each sample three times."""
        linear = array("h", ulaw.to_linear(sound_of(text)))
        return array("h", (sample for sample in linear for _ in range(3))).tobytes()


class FakePolly(SpeechHttp):
    """Checks the signature by the published algorithm (AWS Signature Version 4); the secret is ``secret``.

    `asked` are the texts whose marks were asked for. A character lasts 60 ms.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.asked: list[str] = []

    async def respond(self, exchange: Exchange) -> None:
        fields = json.loads(exchange.body) if exchange.method == "POST" else {}
        if fields.get("OutputFormat") != "json" or exchange.headers.get("authorization") != self.signature(exchange):
            await super().respond(exchange)
            return
        if fields.get("SpeechMarkTypes") != ["word"] or fields["Engine"] == "generative" or "SampleRate" in fields:
            await exchange.answer(400, self.error("x", "this engine has no speech marks"))
            return
        self.asked.append(text := fields["Text"])
        if self._faults.of(len(self.asked)).hold_after is not None:
            await exchange.hang()
            return
        await exchange.start(200, "application/x-json-stream")
        for found in re.finditer(r"[\w'-]+", text):
            start, end = (len(text[:at].encode()) for at in found.span())
            mark = {"time": 60 * found.start(), "type": "word", "start": start, "end": end, "value": found.group()}
            await exchange.send(json.dumps(mark, ensure_ascii=False).encode() + b"\n")
        await exchange.finish()

    def understand(self, exchange):
        if (exchange.method, exchange.path) != ("POST", "/v1/speech"):
            return 404, "UnknownOperationException", ""
        if exchange.headers.get("authorization") != self.signature(exchange):
            return 403, "The request signature we calculated does not match the signature you provided.", ""
        fields = json.loads(exchange.body)
        if fields.get("OutputFormat") != "mulaw" or fields.get("SampleRate") != "8000":
            return 400, "this fake speaks mu-law only", ""
        if not {"Text", "VoiceId", "Engine"} <= set(fields) or len(fields["Text"]) > 6000:
            return 400, "1 validation error detected", ""
        return 0, "", fields["Text"]

    def signature(self, exchange: Exchange) -> str:
        """The Authorization field that the request should have."""
        given = exchange.headers.get("authorization", "")
        if not given.startswith("AWS4-HMAC-SHA256 ") or "SignedHeaders=" not in given:
            return "none"
        signed = given.split("SignedHeaders=")[1].split(",")[0]
        day = exchange.headers["x-amz-date"][:8]
        scope = f"{day}/us-east-1/polly/aws4_request"
        fields = "".join(f"{name}:{exchange.headers[name]}\n" for name in signed.split(";"))
        digest = hashlib.sha256(exchange.body).hexdigest()
        request = f"POST\n{exchange.path}\n\n{fields}\n{signed}\n{digest}"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{exchange.headers['x-amz-date']}\n{scope}\n{hashed}"
        key = b"AWS4secret"
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        proof = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={signed}, Signature={proof}"

    def error(self, code, words):
        return {"message": words}

    def refuse(self, status):
        kinds = {429: (400, "ThrottlingException"), 503: (503, "ServiceUnavailableException")}
        told, kind = kinds.get(status, (status, "InvalidParameterValueException"))
        return told, {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.coral.availability/"}
