"""Amazon Polly's voices: mu-law over HTTP. The signature is botocore's (extra ``aws``), the request is our own.

https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html. boto3 blocks, and would need a thread.

The times of words (speech marks, https://docs.aws.amazon.com/polly/latest/dg/speechmarks.html) need a separate request,
which costs as much as the sound. It is made only for a sentence that the caller has interrupted.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

import httpx2

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.extra import FIXED, HTTP, below, merged
from agent.providers.faults import http_fault, quoted, wait_of
from agent.providers.http_tts import HttpSpeech, HttpTts
from agent.providers.provider import Model, Price, Provider
from agent.providers.tts_session import SpeakOptions, WordFinder
from agent.tts import Inquiry, Speech

ASKED = 4
"""Maximum interrupted sentences whose marks are requested at the same time; for further ones no marks are requested."""
MARKS = 1 << 17
"""Maximum bytes of the marks of a sentence."""


def signing() -> tuple[Any, Any, Any]:
    """The parts of botocore that sign requests. Their first import takes 0.1 s. Raises `ImportError`."""
    from botocore import auth, awsrequest, credentials

    return auth.SigV4Auth, awsrequest.AWSRequest, credentials.Credentials


@dataclass(frozen=True)
class PollyOptions(SpeakOptions):
    """Options of Amazon Polly's voices. `api_key` is the id of the access key."""

    secret_key: str = field(default="", repr=False)
    """The secret access key."""
    session_token: str = field(default="", repr=False)
    """The session token of temporary credentials; empty for others."""
    region: str = "us-east-1"
    """The AWS region."""
    url: str = ""
    """Address of the service; empty: the address of the region."""
    voice_id: str = "Joanna"
    language: str = ""
    """Language of a voice that speaks several, such as ``hi-IN``. A voice of `[[languages]]` speaks the language of its
    entry."""
    model: Literal["standard", "neural", "long-form", "generative"] = "neural"
    """The model, which Amazon calls the engine. Not every voice has every engine."""
    signed_for: str = field(default="", metadata=FIXED)
    """The address in signatures, if requests go through a proxy; empty: the address of the requests."""
    schemes: ClassVar = HTTP
    decided: ClassVar = ("LanguageCode", "SpeechMarkTypes", "Text", "TextType")

    @property
    def endpoint(self) -> str:
        """Address of the service: `url`, or the address of the region."""
        return self.url.rstrip("/") or f"https://polly.{self.region}.amazonaws.com"

    def through(self, proxy: str) -> Self:
        """See `ProviderOptions.through`."""
        return replace(self, url=proxy, signed_for=self.endpoint)


class PollySpeech(HttpSpeech):
    """Amazon Polly's requests ``SynthesizeSpeech``."""

    name = "polly"

    def __init__(self, options: PollyOptions) -> None:
        super().__init__(options)
        self._options = options

    @property
    def url(self) -> str:
        """See `PollyOptions.endpoint`."""
        return self._options.endpoint

    def request(self, text: str) -> tuple[str, dict[str, str], bytes]:
        """The signed POST for `text`. Raises `ProviderError` without botocore."""
        return self._request(text, OutputFormat="mulaw", SampleRate=str(SAMPLE_RATE))

    @property
    def has_marks(self) -> bool:
        """Whether the engine reports the times of words: all engines except ``generative``."""
        return self._options.model != "generative"

    def marks_request(self, text: str) -> tuple[str, dict[str, str], bytes]:
        """The signed POST for the marks of `text`. Raises `ProviderError` without botocore."""
        return self._request(text, OutputFormat="json", SpeechMarkTypes=["word"])

    def _request(self, text: str, **form: Any) -> tuple[str, dict[str, str], bytes]:
        options = self._options
        fields = form | {"Engine": options.model, "Text": text, "TextType": "text", "VoiceId": options.voice_id}
        if options.language:
            fields["LanguageCode"] = options.language
        return self._signed("/v1/speech", json.dumps(merged(fields, options.extra)).encode())

    def _signed(self, path: str, body: bytes) -> tuple[str, dict[str, str], bytes]:
        try:
            signer, unsigned, known = signing()
        except ImportError:
            raise ProviderError(
                self.name, "botocore is missing", advice="pip install 'sipgw[aws]'", temporary=False, refused=True
            ) from None
        options = self._options
        address = options.signed_for or self.url
        request = unsigned("POST", below(address, path), {"Content-Type": "application/json"}, body)
        credentials = known(options.api_key, options.secret_key, options.session_token or None)
        signer(credentials, "polly", options.region).add_auth(request)
        return below(self.url, path), dict(request.headers.items()), body

    def refusal(self, status: int, body: bytes, fields: Mapping[str, str]) -> ProviderError:
        """The error for a refusal. The words are in ``{"message": …}``, the kind is in the headers, because a rate
        limit has the status 400 here."""
        try:
            told = json.loads(body)
            words = str(told.get("message") or told.get("Message") or "")
        except (ValueError, AttributeError, RecursionError):
            words = ""
        for secret in (self._options.secret_key, self._options.api_key):
            words = quoted(words, secret)
        if status == 403:  # AWS has no 401
            advice = "check the access key, its secret, the region and the clock of this machine"
            return ProviderError(
                self.name, f"refused the API key: {words}", advice=advice, temporary=False, refused=True
            )
        kind = fields.get("x-amzn-errortype", "").partition(":")[0]
        return http_fault(self.name, _PASSING.get(kind, status), words, wait_of(fields))


_PASSING = {
    "ThrottlingException": 429,
    "ThrottledException": 429,
    "TooManyRequestsException": 429,
    "RequestLimitExceeded": 429,
    "ServiceUnavailableException": 503,
    "ServiceUnavailable": 503,
}
"""HTTP status codes that stand for the kinds of temporary refusals."""


class PollyTts(HttpTts):
    """The voice of one call."""

    def __init__(self, options: PollyOptions) -> None:
        self._polly = PollySpeech(options)
        super().__init__(self._polly)
        self._asking: set[asyncio.Task[None]] = set()

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        """See `HttpTts.speak`."""
        asks = self._polly.has_marks
        async with aclosing(super().speak(text, before)) as sounds:
            async for sound in sounds:
                yield sound
                if asks:
                    asks = False
                    yield Inquiry(partial(self._ask, text), len(text))

    async def close(self) -> None:
        """See `HttpTts.close`."""
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking)
        await super().close()

    def _ask(self, text: str, samples: int, told: Callable[[int], None]) -> None:
        if self._http is not None and len(self._asking) < ASKED:
            work = self._tell_heard(self._http, text, samples, told)
            task = asyncio.get_running_loop().create_task(work, name="speech-marks")
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _tell_heard(self, http: httpx2.AsyncClient, text: str, samples: int, told: Callable[[int], None]) -> None:
        marks, status = b"", 0
        with contextlib.suppress(httpx2.HTTPError, ProviderError, TimeoutError):  # the heard part stays an estimate
            url, headers, body = self._polly.marks_request(" ".join(text.split()))
            async with (
                asyncio.timeout(self._speech.limits.first_sound_limit),
                http.stream("POST", url, headers=headers, content=body) as response,
            ):
                async for data in response.aiter_bytes():
                    marks += data
                    if len(marks) > MARKS:
                        return
                status = response.status_code
        if status == httpx2.codes.OK and (letters := heard_letters(text, marks, samples)) is not None:
            told(letters)


def heard_letters(text: str, marks: bytes, samples: int) -> int | None:
    """The number of letters of `text` that were said in `samples` samples; None if `marks` do not contain it. Marks
    give the time at which a word begins. A word counts as heard when the next one begins.
    """
    words: list[tuple[float, str]] = []
    try:
        for line in marks.splitlines():
            mark = json.loads(line)
            if mark["type"] == "word":
                words.append((float(mark["time"]), str(mark["value"])))
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    finder, letters = WordFinder(text), 0
    for (_, word), (until, _) in pairwise(words):
        if until * SAMPLE_RATE > samples * 1000:
            break
        letters = finder.end_of(word) or letters
    return letters if words else None


def _price(engine: str, price: float) -> Price:
    source = "notes on AWS' price page, without the free tier"
    return Price(engine, "characters", price, 1_000_000, date(2026, 6, 1), source)


VOICES = {
    "en": "Joanna Matthew Salli Kendra Kimberly Ivy Kevin Justin Joey Ruth Stephen Danielle Gregory Patrick Amy Emma"
    " Brian Arthur Olivia Russell Nicole Geraint Raveena Aditi Kajal Niamh Aria Ayanda Jasmine",
    "es": "Lucia Sergio Conchita Enrique Mia Andres Lupe Pedro Penelope Miguel",
    "fr": "Lea Remi Celine Mathieu Gabrielle Liam Chantal Isabelle",
    "de": "Vicki Daniel Marlene Hans Hannah Sabrina",
    "hi": "Kajal Aditi",
    "pt": "Camila Vitoria Thiago Ricardo Ines Cristiano",
    "it": "Bianca Adriano Carla Giorgio",
}
"""docs.aws.amazon.com/polly/latest/dg/available-voices.html, a copy of 2026; another voice may speak any language."""


def _spoken(options: PollyOptions) -> list[str] | None:
    return [code for code, of in VOICES.items() if options.voice_id in of.split()] or None


TTS = Provider(
    "polly", "tts", PollyOptions, PollyTts, title="Amazon Polly",
    variables={
        "AWS_ACCESS_KEY_ID": "api_key",
        "AWS_SECRET_ACCESS_KEY": "secret_key",
        "AWS_SESSION_TOKEN": "session_token",
        "AWS_REGION": "region",
    },
    required=("api_key", "secret_key"),
    language_key="", languages=_spoken, voices={code: of.split()[0] for code, of in VOICES.items()},
    prices=(_price("standard", 4), _price("neural", 16), _price("generative", 30), _price("long-form", 100)),
    models=(Model(("standard", "neural", "long-form", "generative"), source="botocore 1.44.5"),),
    renamed={"engine": "model"},
    load=lambda _: signing(),
)  # fmt: skip
