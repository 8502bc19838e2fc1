"""Mails that are tried again: what a further try counts, keeps and forgets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sipgw.config.records import PrivacyOptions, StoreOptions
from sipgw.events import TrunkAlarm
from sipgw.records.cdr.encoder import CdrEncoder
from sipgw.records.privacy.redaction import redactor_for
from sipgw.records.store.store import Store
from sipgw.records.store.tables import DeliveryRecord
from sipgw.records.webhooks import mail
from sipgw.records.webhooks.deliveries import Deliveries
from sipgw.records.webhooks.mail import Mailer
from sipgw.records.webhooks.mail_words import WORDS
from sipgw.records.webhooks.owner import Owner
from sipgw.records.webhooks.webhooks import PostFailed
from tests.cdr_events import START, artifact
from tests.fakes.smtp import FakeSmtp, smtp_server
from tests.records.webhooks.test_mail import BODY, ENGINEER, OWNER, waiting
from tests.records.webhooks.test_webhooks import TARGET
from tests.waiting import HANG


@contextlib.asynccontextmanager
async def mailer_of(folder: Path) -> AsyncIterator[tuple[Mailer, FakeSmtp, Store]]:
    async with smtp_server(folder) as server, Store(StoreOptions(str(folder / "x.db"))) as store:
        yield Mailer(server.options, lambda agent: Owner((OWNER,)), store, now=lambda: 0.0), server, store


def row(body: str = BODY, **more: Any) -> DeliveryRecord:
    kept = {"target": "[mail]", "kind": "message", "made": START, "due": START, "problem": ""}
    return DeliveryRecord(**kept | {"call": "c", "body": body, "identity": "1", "tries": 0} | more)


def to(recipient: str) -> str:
    return json.dumps(json.loads(BODY) | {"to": [recipient], "first": False})


async def stand_still(_: float) -> None:
    await asyncio.Event().wait()


def test_the_bound_of_an_hour_does_not_forget_that_the_text_goes_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailer_of(tmp_path) as (mailer, _, _):
            for _ in range(mail.EACH):
                mailer._count("c", [OWNER])
            with pytest.raises(PostFailed, match=r"^text alone, 2: too many mails within the hour") as failed:
                await mailer.send(row(tries=2, problem="text alone, 2: SMTPDataError 552"))
            assert (failed.value.wait, failed.value.final) == (mail.WAITS, False)

    asyncio.run(scenario())


def left_for(mailer: Mailer) -> int:
    """How many more mails the owner may get within this hour."""
    for number in range(mail.EACH + 1):
        with contextlib.suppress(PostFailed):
            mailer._count("c", [OWNER])
            continue
        return number
    raise AssertionError("there is no bound")


def test_a_mail_that_waits_for_its_recording_or_for_the_server_counts_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailer_of(tmp_path) as (mailer, server, store):
            async with store.write() as session:
                session.add(artifact("c", str(tmp_path / "c.wav"), consent="key", state="to redact", gateway="here"))
            with pytest.raises(PostFailed, match="not finished"):
                await mailer.send(row())
            server.refuses += ["451 later"]
            alone = json.loads(BODY) | {"first": False}
            with pytest.raises(PostFailed, match="451"):
                await mailer.send(row(json.dumps(alone)))
            down = replace(mailer, options=replace(server.options, port=1))
            assert down._hour is mailer._hour
            with pytest.raises(PostFailed, match="ConnectionRefused"):
                await down.send(row(json.dumps(alone)))
            await mailer.send(row(json.dumps(alone)))
            assert len(server.mails) == 1
            assert left_for(mailer) == mail.EACH - 1

    asyncio.run(scenario())


def test_a_mail_that_may_have_been_taken_counts(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailer_of(tmp_path) as (mailer, server, _):
            server.hangs_up = 1
            with pytest.raises(PostFailed, match="text alone, 1"):
                await mailer.send(row())
            assert left_for(mailer) == mail.EACH - 1

    asyncio.run(scenario())


def test_a_mail_that_an_earlier_release_has_queued_goes_out(tmp_path: Path) -> None:
    sound = tmp_path / "c.wav"
    sound.write_bytes(b"RIFF")

    async def scenario() -> None:
        async with mailer_of(tmp_path) as (mailer, server, store):
            async with store.write() as session:
                session.add(artifact("c", str(sound), consent="key", state="finished", gateway="here"))
            old = {name: value for name, value in json.loads(BODY).items() if name not in ("language", "first")}
            await mailer.send(row(json.dumps(old)))
            (letter,) = server.mails
            assert [one.get_content() for one in letter.iter_attachments()] == [b"RIFF"]
            assert WORDS["en"].recording not in str(letter)

    asyncio.run(scenario())


def test_mails_beyond_the_bound_keep_back_no_mail_of_another_recipient(tmp_path: Path) -> None:
    later = START + timedelta(seconds=600)

    async def scenario() -> None:
        async with mailer_of(tmp_path) as (mailer, server, store):
            for _ in range(mail.EACH):
                mailer._count("c", [OWNER])
            async with store.write() as session:
                flood = [row(to(OWNER), call=f"{number}", identity=f"{number}") for number in range(5)]
                session.add_all(flood)
                session.add(row(to(OWNER), call="held", tries=1, problem=mail.TOO_MANY, due=later))
                session.add(row(to(ENGINEER), call="up again", tries=1, problem="OSError"))
                session.add(row(to(ENGINEER), call="was down", tries=1, problem="OSError", due=later))
            async with Deliveries(store, [mailer], now=lambda: START, sleep=stand_still):
                async with asyncio.timeout(HANG):
                    while len(left := {one.call: one for one in await waiting(store)}) > 6 or not all(
                        one.tries for one in left.values()
                    ):
                        await asyncio.sleep(0.02)
            assert {address for (address,) in server.recipients} == {ENGINEER}
            assert set(left) == {*map(str, range(5)), "held"}
            assert (left["held"].tries, {left[str(number)].tries for number in range(5)}) == (1, {1})

    asyncio.run(scenario())


def test_what_is_due_first_is_tried_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailer_of(tmp_path) as (mailer, _, store):
            async with store.write() as session:
                for number, seconds in enumerate((-1, -2, -3, -3)):
                    session.add(row(call=f"{number}", identity=f"{number}", due=START + timedelta(seconds=seconds)))
            claimed = await Deliveries(store, [mailer], now=lambda: START)._claim(mailer)
            assert [one.call for one in claimed] == ["2", "3"]

    asyncio.run(scenario())


def test_an_alarm_names_its_trunk_though_the_name_looks_like_a_number(tmp_path: Path) -> None:
    redact, trunk = redactor_for(PrivacyOptions(), "webhooks"), "trunk-4915112345678"
    encoder = CdrEncoder(lambda agent: redact)
    entry = encoder.entry(TrunkAlarm("c", START, trunk, "one_way", True, 12, 50))
    assert entry is not None
    (row,) = Deliveries(None, [replace(TARGET, events=("alarm",))], lambda agent: redact)._rows(entry, "", "")  # type: ignore[arg-type]
    assert (entry["event"]["about"]["trunk"], json.loads(row["body"])["data"]["trunk"]) == (trunk, trunk)
