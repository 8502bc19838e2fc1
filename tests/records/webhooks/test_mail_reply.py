"""A mail server that never ends its answer holds nobody, and fills no memory."""

import asyncio
from pathlib import Path

import pytest

from agent.pool import POOLS
from sipgw.config.messages import MailOptions
from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from sipgw.records.webhooks.mail import Mailer
from sipgw.records.webhooks.mail_reply import LINES
from sipgw.records.webhooks.owner import Owner
from sipgw.records.webhooks.webhooks import PostFailed
from tests.records.webhooks.test_mail import OWNER
from tests.records.webhooks.test_mail_again import row
from tests.waiting import HANG, until

ENDLESS = {"lines": (b"220-more\r\n" * 1000, 0.0), "drip": (b"2", 0.02)}
"""Pieces of the answer, and the seconds between two."""


@pytest.mark.parametrize("how", ENDLESS)
def test_an_answer_that_does_not_end_is_given_up(tmp_path: Path, how: str) -> None:
    piece, pause = ENDLESS[how]
    sent = [0]

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(piece)
                sent[0] += 1
                await writer.drain()
                await asyncio.sleep(pause)
        except ConnectionError:
            writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        options = MailOptions(
            "127.0.0.1", server.sockets[0].getsockname()[1], tls="off", sender="sipgw@example.com", timeout=0.2
        )
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            mailer = Mailer(options, lambda agent: Owner((OWNER,)), store, now=lambda: 0.0)
            with pytest.raises(PostFailed, match="SMTPServerDisconnected"):
                async with asyncio.timeout(HANG):
                    await mailer.send(row(problem="text alone, 1: x"))
            await until(lambda: not POOLS["mail"].busy)
        server.close()

    asyncio.run(scenario())
    assert sent[0] < 100 * LINES
