"""Options of everything that is kept of calls: database, retention, recordings, captures and webhooks."""

import re
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from annotated_types import Ge, Interval

from agent.providers.extra import FIXED
from agent.rules.rule_error import RuleError
from media.recording.tap import Keep, TapOptions
from sipgw.config.options import about

POSTGRESQL = re.compile(r"postgres(?:ql)?(?:\+asyncpg)?://")
PLACES = ("call", "began", "trunk", "caller")
"""Names that may stand in braces in `RecordingOptions.name`."""
LONGEST = 120
"""Characters of a file's name without its ending."""
_UNSAFE = re.compile(r"[^A-Za-z0-9@+_-]+")
WebhookEvent = Literal[
    "initiated", "ringing", "answered", "turn", "tool", "transfer", "message", "completed", "failed", "report",
    "alarm",
]  # fmt: skip
Bundles = Literal["off", "demand", "failed", "always"]


@dataclass(frozen=True)
class CaptureOptions:
    """The packets and messages kept in memory for the call's page and for Wireshark."""

    rtp: Keep = "recent"
    """Which RTP packets are kept. `off`: none; `headers`: the headers of the whole call, without the sound; `recent`:
    the last seconds; `always`: the whole call."""
    seconds: float = field(default=60.0, metadata=FIXED)
    """Seconds of each call that `recent` keeps."""
    megabytes: Annotated[int, Interval(ge=1, le=65536)] = 64
    """Memory for the RTP of all calls together; a quarter as much for their SIP messages. Half as much is for the
    recorded messages of providers of calls that have ended (`bundles`). If the memory is full, the call that ended
    first is removed."""
    folder: str = ""
    """Folder for a capture file of each call, written when the call ends. The gateway makes the folder. Empty: no
    capture files."""
    bundles: Bundles = "off"
    """Which calls can be played again (`sipgw replay`). `demand`: calls in memory, from their page; `failed`: also
    calls that ended badly, written to `bundle_folder`; `always`: all calls, written there. With each of the three, the
    packets of whole calls are kept."""
    bundle_folder: str = ""
    """Folder for the bundles. The gateway makes the folder."""
    traces: bool = False
    """Whether OpenTelemetry traces are sent (pip install 'sipgw[otel]'), to ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
    timelines: int = field(default=10_000, metadata=FIXED)
    """Number of latest calls whose timeline is kept for their page. Older ones are deleted every hour."""

    def __post_init__(self) -> None:
        if self.bundles in ("failed", "always") and not self.bundle_folder:
            raise RuleError(f"{self.bundles!r} needs a bundle_folder", "bundles")

    @property
    def tap(self) -> TapOptions:
        """The options of the capture, for the media process."""
        whole = self.bundles != "off"
        return TapOptions("always" if whole else self.rtp, self.seconds, self.megabytes << 20, whole)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders in which captures and bundles of calls are written, as far as they are configured."""
        return tuple(filter(None, (self.folder, self.bundle_folder)))


@dataclass(frozen=True)
class RecordingOptions:
    """Whether calls are recorded. Ask your callers first: the law of many places requires it."""

    folder: str = ""
    """Folder for the recordings. The gateway makes the folder. Empty: no call is recorded."""
    name: str = "{began}-{call}"
    """Name of a file: {call} is the Call-ID, {began} the start of the call in UTC; {trunk} and {caller} are as in the
    record of the call."""
    format: Literal["wav", "opus"] = "wav"
    """`wav` is G.711 as it was on the line, 58 MB per hour. `opus` is 14 MB per hour, and costs 10 ms of CPU per second
    of the call (pip install av)."""

    consent: Literal["off", "announce", "key", "country"] = "off"
    """`announce`: the agent announces the recording first. `key`: the recording begins only after the caller has
    pressed 1. `country`: the agent announces it where the law of the country of the other side's number requires it,
    and where this country is unknown."""
    announcement: str = ""
    """The announcement for `announce`; empty: "This call is recorded.", in the first language of the agent."""
    question: str = ""
    """The question for `key`; empty: "If this call may be recorded, please press 1.", in the first language of the
    agent."""

    def __post_init__(self) -> None:
        if self.format == "opus" and find_spec("av") is None:
            raise RuleError("'opus' needs PyAV: pip install 'sipgw[opus]'", "format")
        try:
            places = [place for _, place, _, _ in string.Formatter().parse(self.name) if place is not None]
        except ValueError as error:
            raise RuleError(f"{self.name!r} cannot be read: {error}", "name") from None
        if unknown := [place for place in places if place not in PLACES]:
            raise RuleError(f"has {{{unknown[0]}}}; known: {', '.join(PLACES)}", "name")
        if "call" not in places:
            raise RuleError("needs {call}, or one call would take the file of another", "name")

    def path(self, call: str, began: datetime, trunk: str, caller: str) -> str:
        """The path of the recording of a call, always inside the folder, whatever Call-ID the other side chose; ""
        without a folder."""
        if not self.folder:
            return ""
        start = began.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
        name = self.name.format(call=call, began=start, trunk=trunk, caller=caller)
        return str(Path(self.folder).resolve() / f"{_UNSAFE.sub('_', name)[:LONGEST]}.{self.format}")

    def prepare(self) -> None:
        """Make the folder, readable only by the user of the gateway. Raises OSError."""
        if self.folder:
            Path(self.folder).mkdir(mode=0o700, parents=True, exist_ok=True)


@dataclass(frozen=True)
class StoreOptions:
    """Where records are kept."""

    path: str = "sipgw.db"
    """File of the SQLite database; made when it does not exist."""
    url: str = field(default="", repr=False)
    """A PostgreSQL database instead, ``postgresql://user:password@host/name``: ``pip install 'sipgw[postgresql]'``."""
    spool: str = ""
    """Folder where records wait for the database; empty: `path` with ``.spool`` after it."""

    def __post_init__(self) -> None:
        if self.url and not POSTGRESQL.match(self.url):
            raise RuleError("must begin with postgresql://; a SQLite file is given by its path", "url")
        if self.url and find_spec("asyncpg") is None:
            raise RuleError("PostgreSQL needs asyncpg: pip install 'sipgw[postgresql]'", "url")
        if self.url and not _readable(self.url):
            raise RuleError(
                "must be like postgresql://user:password@host:port/name; in a password write %40 for @, %2F for /",
                "url",
            )

    @property
    def calls_folder(self) -> Path:
        """The folder in which the timelines of calls are kept."""
        return Path(f"{self.path}.calls")

    @property
    def handover(self) -> Path:
        """The path of the socket at which the next gateway process asks for the SIP sockets (`sipgw serve
        --take-over`)."""
        return Path(f"{self.path}.handover")

    @property
    def spool_folder(self) -> Path:
        """The folder in which records wait for the database."""
        return Path(self.spool or f"{self.path}.spool")


def _readable(url: str) -> bool:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        port = make_url(url).port
    except (ValueError, ArgumentError):  # the text of this error would contain the password
        return False
    return port is None or 0 < port < 65536


@dataclass(frozen=True)
class RetentionOptions:
    """For how many days records are kept; 0 is for ever. Checked every hour."""

    calls: Annotated[int, Ge(0)] = 0
    """All data of a call: the record, the transcript and the recording."""
    transcripts: Annotated[int, Ge(0)] = 0
    """Transcripts, and the tool calls with their results."""
    recordings: Annotated[int, Ge(0)] = 0
    """Files with sound: recordings, captures and bundles."""


@dataclass(frozen=True)
class WebhookOptions:
    """A server of yours that receives events of calls."""

    name: str
    """The name under which deliveries are kept; it stays when the URL changes."""
    url: str
    """Address of the server: ``https://…``, or ``http://…`` inside a network of yours."""
    secret: str = field(repr=False)
    """The secret that signs the deliveries."""
    events: tuple[WebhookEvent, ...] = get_args(WebhookEvent)
    """The events that it receives."""
    agents: tuple[str, ...] = ()
    """Agents whose events are sent; empty: all agents."""
    tenant: str = ""
    """The tenant of the server: it gets only the events of this tenant's calls, and no alarms. Empty: the operator's
    server."""
    timeout: float = field(default=10.0, metadata=FIXED)
    """Seconds for one whole try. A server that needs longer should answer at once and do the work afterwards."""
    concurrency: int = field(default=8, metadata=FIXED)
    """Tries at the same time, each for another call: a small server answers this many at once."""
    private_networks: bool = False
    """Whether the server may be at a private or loopback address."""

    def __post_init__(self) -> None:
        with about("url"):
            url = urlsplit(self.url)
        if url.scheme not in ("http", "https") or not url.hostname or url.username or url.fragment:
            raise RuleError("must be like https://example.com/calls, without a user or a fragment", "url")
        if len(self.secret) < 16:
            raise RuleError("must have at least 16 characters", "secret")


Kind = Literal["cards", "aadhaar", "ssn", "iban", "phones", "emails", "names"]


Sink = Literal["records", "logs", "webhooks", "exports"]


NAMES_NEED = "pip install 'sipgw[names]' && python -m spacy download en_core_web_sm"


@dataclass(frozen=True)
class PrivacyOptions:
    """Redaction: private data is removed from texts. The agent itself hears everything, because its work needs it."""

    redact: tuple[Kind, ...] = ("cards", "aadhaar", "ssn", "iban")
    """Kinds of private data that are removed; `names` needs Presidio and an English model of spaCy: see
    `NAMES_NEED`."""
    where: tuple[Sink, ...] = ("records", "logs", "webhooks", "exports")
    """Places from which these kinds are removed. Without `records` the database keeps them; the other places named here
    do not. Logs belong to no agent: they follow `sipgw.toml` as it was at the start."""
    country: str = ""
    """Country of telephone numbers without ``+``, two letters. Empty: only numbers with ``+`` are found."""
    redact_audio: bool = True
    """Whether a tone in the recording covers the words that are removed from the transcript."""
    at_provider: bool = False
    """Whether providers that can (AssemblyAI, Deepgram Nova) also remove private data before the agent hears it."""

    @property
    def covers(self) -> bool:
        """Whether private words are covered in recordings."""
        return self.redact_audio and bool(self.redact)

    def __post_init__(self) -> None:
        if "names" in self.redact and (find_spec("presidio_analyzer") is None or not english_models()):
            raise RuleError(f"'names' needs Presidio and an English model of spaCy: {NAMES_NEED}", "redact")
        if self.country:
            import phonenumbers  # as in `sipgw.config.numbers`

            if self.country not in phonenumbers.SUPPORTED_REGIONS:
                raise RuleError(f"{self.country!r} is not two letters like 'US'", "country")


def english_models() -> list[str]:
    """The English models of spaCy that are installed, the largest first: ``lg``, ``md``, ``sm``, ``trf``."""
    order = ("lg", "md", "sm")
    names = [one.name for one in entry_points(group="spacy_models") if one.name.startswith("en_core_web_")]
    return sorted(names, key=lambda name: next((at for at, size in enumerate(order) if f"_{size}" in name), len(order)))
