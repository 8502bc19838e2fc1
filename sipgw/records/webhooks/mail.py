"""Mail: messages that agents have taken, and alarms, for their owner, by SMTP (RFC 5321, 6409) over TLS.

A mail waits in the table of the webhooks, so that none is lost and a server that is down is tried again. It goes out
when the call is over, with the recording if the caller has consented to one.
"""

import asyncio
import contextlib
import json
import re
import secrets
import smtplib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select

from agent.pool import Pool, PoolFullError
from sipgw.bounds import FULL
from sipgw.config.messages import MailOptions
from sipgw.events import FAULT_WORDS
from sipgw.records.artifacts.call_files import on_disk
from sipgw.records.store.artifact_states import DONE, ArtifactKind, ArtifactState
from sipgw.records.store.store import Store
from sipgw.records.store.tables import ArtifactRecord, DeliveryRecord
from sipgw.records.webhooks.mail_reply import ReplyReader
from sipgw.records.webhooks.mail_words import LEVELS, words_in
from sipgw.records.webhooks.owner import Owner
from sipgw.records.webhooks.webhooks import PostFailed
from sipgw.sip.buckets import Bucket, Buckets

log = structlog.get_logger()

SMTP = Pool("mail", workers=2, waiting=8)
TAKES = 600.0
"""Seconds for sending the text, and again for the server's answer (RFC 5321, 4.5.3.2.6). A server may scan for viruses
before it answers; if we gave up earlier, it would still deliver the mail."""
LONGEST = 2 * TAKES + 100
"""Longest time for one mail in seconds, all steps together."""
RELUCTANT = 600.0
"""Seconds until the next try of a mail that was refused for good, or may have been taken."""
WRONG_PASSWORD = 3600.0
"""Seconds until the next login with a password that was refused: too many lock the mailbox."""
ALONE = 2
"""Further tries of a mail that was refused for good, or may have been taken; they are without the recording."""
EACH, ALL = 60, 600
"""Mails in an hour to one recipient, messages and alarms each, and in all; further ones wait."""
HOUR = 3600.0
TOO_MANY = "too many mails within the hour"
"""End of the problem of a mail that the hourly limit holds back."""
WAITS = 600.0
"""Seconds until the next try of a mail beyond the hourly limit."""
PARKED = timedelta(days=1)
"""Time after which a mail is sent although the end of its call was not reported."""
SETTLES = timedelta(seconds=6)
"""Time from the end of a call until its mail goes out: the recording is being finished."""
PATIENT = 8
"""Tries in which a mail waits for its recording."""
REST = 10_000
"""Bytes of a mail without its recording, estimated."""
LARGEST = 10 << 20
"""Bytes of a recording that is attached: ten minutes. A longer one is only on the page of its call."""
ADVICE = (
    "The page Home of the dashboard shows the trunks and providers that are down, and the worst calls of today.",
    "The page of each of these calls says what was wrong, and what helps.",
    "On the machine of the gateway, sipgw doctor checks trunks and providers.",
    "Another mail comes when the alarm is over.",
)
"""Advice in the mail of an alarm on the calls of a trunk."""
OVER = ("Few calls have this fault now. You need to do nothing.",)
COST_ADVICE = (
    "The calls go on. The page Calls of the dashboard shows what each of them has cost.",
    "To end them at a cost, set [limits] money_per_day and restart the gateway.",
)
_ALONE = re.compile(r"text alone, (\d)")


def _per_hour() -> tuple[Buckets, Bucket]:
    return Buckets(EACH / HOUR, EACH, secrets.token_bytes(32)), Bucket(ALL / HOUR, ALL)


@dataclass(frozen=True)
class Mailer:
    """Mails messages and alarms; a target beside the webhooks."""

    options: MailOptions
    owner: Callable[[str], Owner]
    """Returns the owner of the messages of an agent by its name; called when a message is taken."""
    store: Store
    alarms: tuple[str, ...] = ()
    """Addresses for alarms."""
    name: str = "[mail]"
    """Name under which its deliveries are kept; no webhook may have this name."""
    concurrency: int = 2
    lease: float = LONGEST + 60
    now: Callable[[], float] = time.monotonic
    _hour: tuple[Buckets, Bucket] = field(default_factory=_per_hour)

    def addressed(self, told: str, agent: str) -> Owner:
        """Recipients and format of the mail for an event; without recipients if the event is not mailed."""
        if told == "alarm":
            return Owner(self.alarms)
        return self.owner(agent) if told == "message" else Owner(())

    async def send(self, row: DeliveryRecord) -> None:
        """Send the mail of the delivery `row`. Raises `PostFailed`."""
        told = json.loads(row.body)
        before = _ALONE.match(row.problem or "")
        alone = int(before[1]) if before else 0
        message = _message(told, self.options.sender, row)
        recording = "" if alone or told["event"] == "alarm" else await self._recording(told, row.tries)
        to = [f"alarm {one}" if told["event"] == "alarm" else one for one in told["to"]]  # alarms have their own limits
        self._count(row.call, to, _mark(alone), held=(row.problem or "").endswith(TOO_MANY))
        try:
            async with asyncio.timeout(LONGEST), self._on_disk(recording) as file:
                refused = await SMTP.run(_deliver, self.options, message, file)
        except (smtplib.SMTPException, OSError, ValueError, PoolFullError) as error:
            if not isinstance(error, _MaybeTakenError):
                self._uncount(to)
            raise _failed(error, alone) from None
        if refused:  # the other recipients have the mail: another try would send it to them twice
            log.warning("the mail server refused some recipients", call=row.call, recipients=refused)

    def _count(self, call: str, to: Sequence[str], mark: str = "", *, held: bool = False) -> None:
        """Count a mail. Raises `PostFailed`, with `mark` before the reason, if there were too many within the hour.
        This is logged once, not if the mail was `held` back before.
        """
        (each, every), now = self._hour, self.now()
        if any(each.empty(one, now) for one in to) or not every.take(now):
            if not held:
                FULL["mails of an hour"] += 1
                log.warning("a mail waits: there were too many within the hour", call=call)
            raise PostFailed(f"{mark}{TOO_MANY}", wait=WAITS, asked=False)
        for one in to:
            each.take(one, now)

    def _uncount(self, to: Sequence[str]) -> None:
        """Undo the count of a mail that no server has taken."""
        (each, every), now = self._hour, self.now()
        every.give_back()
        for one in to:
            each.give_back(one, now)

    @contextlib.asynccontextmanager
    async def _on_disk(self, recording: str) -> AsyncIterator[Path | None]:
        if not recording:
            yield None
            return
        async with on_disk(self.store, recording) as file:
            yield file

    async def _recording(self, told: dict[str, Any], tries: int) -> str:
        """The file of the recording if the caller consented to one, for the first mail of a call.

        Raises `PostFailed` while it is not finished.
        """
        if not _first(told):
            return ""
        table = ArtifactRecord
        its = table.call == told["record"], table.gateway == told["gateway"]
        query = select(table).where(*its, table.kind == ArtifactKind.RECORDING, table.consent != "")
        async with self.store.read() as session:
            found = (await session.scalars(query)).first()
        if found is None or (told["covers"] and not found.path.endswith(".wav")):  # only WAV can be covered
            return ""
        if found.state in DONE:
            return found.path
        if found.state in (ArtifactState.WRITING, ArtifactState.TO_REDACT) and tries < PATIENT:
            raise PostFailed("the recording is not finished")
        return ""


class _MaybeTakenError(OSError):
    """The text went out, and no answer came."""


class _Server(smtplib.SMTP):
    """A connection to a mail server, with time for a long mail, and with limits on the server's answers."""

    def getreply(self) -> tuple[int, bytes]:
        """See `smtplib.SMTP.getreply`."""
        if self.file is None and self.sock is not None:  # a new one after STARTTLS: earlier bytes do not count
            self.file = ReplyReader(self.sock)
        if isinstance(self.file, ReplyReader):
            self.file.begin()
        return super().getreply()

    def data(self, msg: Any) -> tuple[int, bytes]:
        """See `smtplib.SMTP.data`. Raises `_MaybeTakenError`."""
        assert self.sock  # noqa: S101  it has answered
        self.sock.settimeout(TAKES)
        try:
            answer = super().data(msg)
        except smtplib.SMTPDataError:
            raise
        except OSError as error:
            raise _MaybeTakenError(f"no answer to the text: {type(error).__name__}") from None
        self.sock.settimeout(self.timeout)
        return answer


class _TlsServer(_Server, smtplib.SMTP_SSL):
    """Like `_Server`, over TLS from the beginning."""


def _mark(alone: int) -> str:
    """Beginning of a mail's problem after `alone` tries without the recording; it is read at the next try."""
    return f"text alone, {alone}: " if alone else ""


def _failed(error: Exception, alone: int) -> PostFailed:
    """Failure to raise for an error; `alone` is the number of tries without the recording."""
    codes = [getattr(error, "smtp_code", 0)]
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    why, mark = f"{type(error).__name__} {codes[0] or ''}".strip(), _mark(alone)
    if isinstance(error, smtplib.SMTPNotSupportedError):  # the error names the extension: STARTTLS, AUTH or SMTPUTF8
        why = f"{why}: {error}"
    if isinstance(error, smtplib.SMTPAuthenticationError) and codes[0] >= 500:
        log.error("the mail server refuses the user or the password", code=codes[0])
        return PostFailed(mark + why, wait=WRONG_PASSWORD)
    refusals = smtplib.SMTPSenderRefused | smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError
    if isinstance(error, _MaybeTakenError) or (isinstance(error, refusals) and min(codes) > 530):  # 530: log in first
        return PostFailed(f"text alone, {alone + 1}: {why}", wait=RELUCTANT, final=alone >= ALONE)
    return PostFailed(mark + why)


def _first(told: dict[str, Any]) -> bool:
    """Whether the mail is the first of its call. Earlier releases queued mails without this and ``language``."""
    return bool(told.get("first", True))


def _message(told: dict[str, Any], sender: str, row: DeliveryRecord) -> EmailMessage:
    """The mail. The caller's words are plain text in it, and never make a header."""
    subject, lines = _alarm(told) if told["event"] == "alarm" else _taken(told)
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(told["to"])
    message["Subject"] = _one_line(subject)
    written = row.made.timestamp() if told["event"] == "alarm" else None  # alarms that had to wait stay in order
    message["Date"], message["Message-ID"] = formatdate(written), f"<{row.identity}@sipgw.invalid>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834
    message.set_content("\n".join(lines) + "\n")
    return message


def _one_line(text: str) -> str:
    """The text for a header. An encoded word (RFC 2047) is broken up: `EmailMessage` would decode it to line ends."""
    shown = "".join(one if one.isprintable() else " " for one in text).replace("=?", "= ?")
    return " ".join(shown.split())[:200]


def _alarm(told: dict[str, Any]) -> tuple[str, list[str]]:
    """Subject and lines of an alarm on the calls of a trunk, or on the cost of the day."""
    data = told["data"]
    if "cost" in data:
        cost = f"today's calls have cost {data['cost']:.2f} {data['currency']}"
        limit = f"The alarm is set to {data['limit']:.2f} {data['currency']} ([alarms] cost)."
        reached = f"It was reached at {told['at']}, in the call {told['call']}."
        return f"Alarm: {cost}", [f"T{cost[1:]}.", limit, reached, "", *COST_ADVICE]
    share = f"{data['bad']} of the latest {data['calls']} calls {FAULT_WORDS.get(data['fault'], data['fault'])}"
    word = "Alarm" if data["raised"] else "Alarm over"
    last = f"The last one was {told['call']}, which ended at {told['at']}."
    lines = [f"Trunk: {data['trunk']}", f"{share}.", last, "", *(ADVICE if data["raised"] else OVER)]
    return f"{word}: trunk {data['trunk']}: {share}", lines


def _taken(told: dict[str, Any]) -> tuple[str, list[str]]:
    """Subject and lines of a message that an agent has taken."""
    data, words = told["data"], words_in(told.get("language", "en"))
    name, number = (" ".join(str(data.get(one, "")).split()) for one in ("name", "number"))
    level = str(data.get("urgency", ""))
    level = words.levels[LEVELS.index(level)] if level in LEVELS else level
    subject = words.urgent_message if data.get("urgency") == "urgent" else words.message
    lines = [f"{words.name}: {name}", f"{words.number}: {number}", f"{words.urgency}: {level}"]
    lines += ["", *(f"> {line}" for line in str(data.get("matter", "")).splitlines()), ""]
    lines += [words.taken.format(agent=told["about"].get("agent", ""), at=told["at"], call=told["call"])]
    lines += [] if _first(told) else [words.recording]
    return subject.format(name=name, number=number), lines


def _attach(message: EmailMessage, recording: Path, most: int) -> None:
    """Add the recording, as long as it is here and has at most so many bytes."""
    if recording.is_file() and recording.stat().st_size <= most:
        kind = "wav" if recording.suffix == ".wav" else "ogg"
        message.add_attachment(recording.read_bytes(), "audio", kind, filename=f"recording{recording.suffix}")


def _deliver(options: MailOptions, message: EmailMessage, recording: Path | None) -> list[str]:
    """Hand a mail to the server; returns the recipients that it refuses. Raises errors of `smtplib` and `OSError`."""
    context = ssl.create_default_context(cafile=options.ca or None)
    if options.tls == "tls":
        server: smtplib.SMTP = _TlsServer(options.host, options.port, timeout=options.timeout, context=context)
    else:
        server = _Server(options.host, options.port, timeout=options.timeout)
    with server:
        if options.tls == "starttls":
            server.starttls(context=context)
        if options.user:
            try:
                server.login(options.user, options.password)
            except smtplib.SMTPServerDisconnected:  # some servers refuse a login in this way
                raise smtplib.SMTPAuthenticationError(535, b"") from None
        server.ehlo_or_helo_if_needed()
        if recording:
            limit = server.esmtp_features.get("size", "")  # RFC 1870
            room = (
                (int(limit) - REST) * 18 // 25 if limit.isdigit() and int(limit) else LARGEST
            )  # base64 with line ends
            _attach(message, recording, min(LARGEST, room))
        return list(server.send_message(message))
