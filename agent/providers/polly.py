"""Amazon Polly's voices: mu-law over HTTP. The signature is botocore's (extra ``aws``), the request is our own.

https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html. boto3 itself blocks and would need a thread.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, ClassVar, Literal, Self

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.extra import FIXED, HTTP, merged
from agent.providers.faults import http_fault, quoted, wait_of
from agent.providers.http_tts import HttpSpeech, HttpTts
from agent.providers.provider import Model, Price, Provider
from agent.providers.tts_session import SpeakOptions


def signing() -> tuple[Any, Any, Any]:
    """The parts of botocore that sign requests. To import them takes 0.1 s, once. Raises `ImportError`."""
    from botocore import auth, awsrequest, credentials

    return auth.SigV4Auth, awsrequest.AWSRequest, credentials.Credentials


@dataclass(frozen=True)
class PollyOptions(SpeakOptions):
    """How to speak with Amazon Polly. `api_key` is the access key's id."""

    secret_key: str = field(default="", repr=False)
    """The secret access key."""
    session_token: str = field(default="", repr=False)
    """For temporary credentials; empty otherwise."""
    region: str = "us-east-1"
    """The AWS region."""
    url: str = ""
    """Empty for that of the region."""
    voice_id: str = "Joanna"
    language: str = ""
    """For a voice that speaks several, such as ``hi-IN``; a voice of `[[languages]]` speaks its own."""
    model: Literal["standard", "neural", "long-form", "generative"] = "neural"
    """Amazon calls it the engine; not every voice has every one."""
    signed_for: str = field(default="", metadata=FIXED)
    """The address that signatures name, if requests go there through a proxy; empty for that of the requests."""
    schemes: ClassVar = HTTP
    decided: ClassVar = ("LanguageCode", "SpeechMarkTypes", "Text", "TextType")

    @property
    def endpoint(self) -> str:
        """Address of the service: by the region, if no other is given."""
        return self.url.rstrip("/") or f"https://polly.{self.region}.amazonaws.com"

    def through(self, proxy: str) -> Self:
        """See `ProviderOptions.through`."""
        return replace(self, url=proxy, signed_for=self.endpoint)


class PollySpeech(HttpSpeech):
    """SynthesizeSpeech."""

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
        options = self._options
        fields: dict[str, Any] = {
            "Engine": options.model,
            "OutputFormat": "mulaw",
            "SampleRate": str(SAMPLE_RATE),
            "Text": text,
            "TextType": "text",
            "VoiceId": options.voice_id,
        }
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
        request = unsigned("POST", address + path, {"Content-Type": "application/json"}, body)
        credentials = known(options.api_key, options.secret_key, options.session_token or None)
        signer(credentials, "polly", options.region).add_auth(request)
        return self.url + path, dict(request.headers.items()), body

    def refusal(self, status: int, body: bytes, fields: Mapping[str, str]) -> ProviderError:
        """The error; its words are in ``{"message"}``, its kind in the head: a rate limit is a bad request here."""
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
"""Status codes for the kinds of temporary refusals."""


class PollyTts(HttpTts):
    """The voice of one call."""

    def __init__(self, options: PollyOptions) -> None:
        super().__init__(PollySpeech(options))


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
