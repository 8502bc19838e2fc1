"""A mail server that wants STARTTLS and a password, by aiosmtpd."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

from sipgw.config.messages import MailOptions

PASSWORD = "the mailman's word"


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class FakeSmtp:
    """What it got. `refuses` are its answers to the next mails, `options` those that reach it."""

    options: MailOptions
    mails: list[Any] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refuses: list[str] = field(default_factory=list)
    hangs_up: int = 0
    """How many mails are taken without an answer."""
    answers: asyncio.Event = field(default_factory=_set)
    """While it is not set, nothing is answered to the text of a mail."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take a mail."""
        if self.hangs_up > 0:
            self.hangs_up -= 1
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
            server.transport.close()
            return "250 nobody gets this answer"
        await self.answers.wait()
        if self.refuses:
            return self.refuses.pop(0)
        assert session.ssl is not None and session.authenticated
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"


@contextlib.asynccontextmanager
async def smtp_server(folder: Path) -> AsyncIterator[FakeSmtp]:
    """Serve on a free port of loopback; the certificate's authority is written into `folder`."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))

    def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"owner", PASSWORD.encode()))

    def protocol() -> SMTP:
        return SMTP(
            fake, hostname="localhost", tls_context=context, require_starttls=True, authenticator=known,
            auth_required=True, data_size_limit=1_000_000,
        )  # fmt: skip

    server = await asyncio.get_running_loop().create_server(lambda: protocol(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    fake = FakeSmtp(
        MailOptions("127.0.0.1", port, ca=str(folder / "ca.pem"), sender="gateway@example.com", user="owner",
                    password=PASSWORD)
    )  # fmt: skip
    try:
        yield fake
    finally:
        server.close()
