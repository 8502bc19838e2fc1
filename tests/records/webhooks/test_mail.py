"""Messages are mailed to their owner when the call is over: over TLS, and again when the server is down."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sipgw.agents.agents import Agents
from sipgw.bounds import FULL
from sipgw.config.config import AgentConfig, GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.config.messages import MailOptions, MessageOptions
from sipgw.config.records import PrivacyOptions, StoreOptions, WebhookOptions
from sipgw.events import MessageTaken, TrunkAlarm, Watchers
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.privacy.redaction import redactor_for
from sipgw.records.store.spool import identities
from sipgw.records.store.store import Store
from sipgw.records.store.tables import DeliveryRecord
from sipgw.records.webhooks import mail
from sipgw.records.webhooks.deliveries import Deliveries
from sipgw.records.webhooks.mail import Mailer
from sipgw.records.webhooks.mail_words import WORDS
from sipgw.records.webhooks.owner import Owner
from sipgw.records.webhooks.webhooks import PostFailed
from tests.cdr_events import START, a_call, artifact, at
from tests.fakes.smtp import PASSWORD, FakeSmtp, smtp_server
from tests.records.webhooks.test_webhooks import TARGET, World
from tests.waiting import HANG

OWNER = "owner@example.com"
MESSAGE = MessageTaken(
    "c", at(3), "Jo\r\nBcc: all@example.com", "+14155550132", "My card is 4111 1111 1111 1111.\nCall back: 1", "urgent"
)

ENGINEER = "engineer@example.com"
BODY = json.dumps(
    {"event": "message", "about": {"agent": "agent"}, "at": "now", "call": "c", "data": {"name": "Jo"}}
    | {"to": [OWNER], "record": "c", "gateway": "here", "covers": True, "language": "en", "first": True}
)


class Clock(World):
    """Looks again after a while although there is no news."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.01)
        self.clock += timedelta(seconds=seconds)


@contextlib.asynccontextmanager
async def mailing(folder: Path, **more: Any) -> AsyncIterator[tuple[Watchers[Any], FakeSmtp, Store, World]]:
    watchers, world = Watchers[Any](), Clock()
    async with (
        smtp_server(folder) as server,
        Store(StoreOptions(str(folder / "x.db"))) as store,
    ):
        mailer = Mailer(server.options, lambda agent: Owner((OWNER,)), store, alarms=(ENGINEER,))
        queue = Deliveries(store, [TARGET, mailer], send=world.send, now=world.now, sleep=world.sleep, **more)
        async with queue, CdrWriter(store, watchers, deliveries=queue):
            yield watchers, server, store, world


async def until(found: Any, many: int = 1) -> None:
    async with asyncio.timeout(HANG):
        while len(found) < many:
            await asyncio.sleep(0.02)


def told(watchers: Watchers[Any], events: list[Any]) -> None:
    *before, end = events
    for event in (*before, MESSAGE, end):
        watchers.tell(event)


def test_a_message_is_a_webhook_at_once_and_a_mail_after_the_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        redact = redactor_for(PrivacyOptions(), "webhooks")
        async with mailing(tmp_path, redactor=lambda agent: redact) as (watchers, server, _, world):
            *before, end = a_call("c")
            for event in (*before, MESSAGE):
                watchers.tell(event)
            await until(world.took, len(before) + 1)
            assert server.mails == []
            watchers.tell(end)
            await until(server.mails)
            (letter,), ((recipient,),) = server.mails, server.recipients
            hook = next(one for one in world.took if one["event"] == "message")
            assert (hook["data"]["number"], hook["data"]["urgency"]) == ("+14155550132", "urgent")
            assert (recipient, letter["Bcc"]) == (OWNER, None)
            assert letter["Subject"] == "Urgent message from Jo Bcc: all@example.com, +14155550132"
            text = letter.get_content()
            lines = text.splitlines()
            assert [one for one in lines if one.startswith("Call back")] == ["Call back: +14155550132"]
            assert "> Call back: 1" in lines, "the caller's words cannot be taken for ours"
            assert "4111" not in text

    asyncio.run(scenario())


def test_an_alarm_is_a_webhook_and_a_mail_at_once_and_tells_nothing_of_the_caller(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailing(tmp_path) as (watchers, server, _, world):
            *before, _ = a_call("c")
            for event in (*before, TrunkAlarm("c", at(60), "office", "one_way", True, 12, 50)):
                watchers.tell(event)
            await until(server.mails)
            (letter,), ((recipient,),) = server.mails, server.recipients
            assert recipient == ENGINEER
            assert letter["Subject"] == "Alarm: trunk office: 12 of the latest 50 calls had sound in one direction only"
            assert "The last one was c, which ended at" in letter.get_content()
            watchers.tell(TrunkAlarm("c", at(61), "office", "one_way", False, 5, 50))
            await until(server.mails, 2)
            assert server.mails[1]["Subject"].startswith("Alarm over: trunk office: 5 of")
            await until(world.took, len(before) + 2)
            hook = next(one for one in world.took if one["event"] == "alarm")
            data = {"trunk": "office", "fault": "one_way", "raised": True, "bad": 12, "calls": 50}
            assert (hook["data"], hook["about"]) == (data, {"trunk": "office"})

    asyncio.run(scenario())


def test_a_mail_that_is_not_taken_is_sent_again_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailing(tmp_path) as (watchers, server, store, _):
            server.refuses += ["451 later", "554 no"]
            told(watchers, a_call("c"))
            await until(server.mails)
            (letter,) = server.mails
            assert letter["Message-ID"].startswith("<")
            async with asyncio.timeout(HANG):
                while await waiting(store):
                    await asyncio.sleep(0.02)
            assert (server.refuses, len(server.mails)) == ([], 1)

    asyncio.run(scenario())


async def waiting(store: Store) -> list[DeliveryRecord]:
    async with store.read() as session:
        return list(await session.scalars(select(DeliveryRecord)))


def here(store: Store) -> str:
    (gateway,) = identities(store.options.spool_folder)
    return gateway


def attachments(letter: Any) -> list[Any]:
    return [one.get_content() for one in letter.iter_attachments()]


@pytest.mark.parametrize(
    ("name", "consent", "state", "attached"),
    [
        ("c.wav", "key", "finished", True), ("c.wav", "announce", "redacted", True), ("c.wav", "", "finished", False),
        ("c.wav", "key", "deleted", False), ("c.opus", "key", "finished", False),
    ],
)  # fmt: skip
def test_the_recording_comes_with_it_if_the_caller_consented(
    tmp_path: Path, name: str, consent: str, state: str, attached: bool
) -> None:
    sound = tmp_path / name
    sound.write_bytes(b"RIFF")

    async def scenario() -> None:
        async with mailing(tmp_path) as (watchers, server, store, _):
            async with store.write() as session:
                session.add(artifact("c", str(sound), consent=consent, state=state, gateway=here(store)))
            told(watchers, a_call("c"))
            await until(server.mails)
            (letter,) = server.mails
            assert attachments(letter) == ([b"RIFF"] if attached else [])

    asyncio.run(scenario())


def test_no_recording_of_another_call_or_gateway_comes_with_it(tmp_path: Path) -> None:
    first, elsewhere = tmp_path / "first.wav", tmp_path / "elsewhere.wav"
    first.write_bytes(b"FIRST")
    elsewhere.write_bytes(b"OTHER")

    async def scenario() -> None:
        async with mailing(tmp_path) as (watchers, server, store, _):
            async with store.write() as session:
                session.add(artifact("c", str(elsewhere), consent="key", state="finished", gateway="another"))
                session.add(artifact("c", str(first), consent="key", state="finished", gateway=here(store)))
            told(watchers, a_call("c"))
            await until(server.mails)
            told(watchers, a_call("c"))  # a caller chooses the Call-ID
            await until(server.mails, 2)
            assert [attachments(one) for one in server.mails] == [[b"FIRST"], []]

    asyncio.run(scenario())


def test_who_gets_a_message_is_known_when_it_is_taken() -> None:
    sales = AgentConfig(messages=MessageOptions(mail_to=("sales@example.com",)))
    text = f'[messages]\nmail_to = ["{OWNER}"]\n[mail]\nhost = "mx.example.com"\nsender = "a@example.com"'
    config = parse(text, "sipgw.toml", {})
    agents = Agents(config, {"sales": sales})
    assert agents.owner("sales").to == ("sales@example.com",)
    assert agents.owner("agent").to == (OWNER,)
    assert agents.owner("an agent of another gateway").to == ()


def test_the_mail_speaks_the_language_of_its_owner() -> None:
    server = MailOptions("mx.example.com", sender="a@example.com")
    german = GatewayConfig(messages=MessageOptions(mail_to=(OWNER,), language="de"), mail=server)
    assert Agents(german, {}).owner("agent").language == "de"


@pytest.mark.parametrize("language", sorted(WORDS))
def test_each_language_has_all_words_of_a_mail(tmp_path: Path, language: str) -> None:
    async def scenario() -> None:
        async with smtp_server(tmp_path) as server, Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            told = json.loads(BODY) | {"language": language, "first": False}
            told["data"] = {"name": "Jo", "number": "+1", "urgency": "urgent", "matter": "It leaks."}
            await Mailer(server.options, lambda agent: Owner((OWNER,)), store).send(
                DeliveryRecord(call="c", body=json.dumps(told), identity="1", tries=0)
            )
            (letter,), words = server.mails, WORDS[language]
            lines = letter.get_content().splitlines()
            assert letter["Subject"] == words.urgent_message.format(name="Jo", number="+1")
            assert f"{words.urgency}: {words.levels[2]}" in lines and words.recording in lines
            assert words.taken.format(agent="agent", at="now", call="c") in lines

    asyncio.run(scenario())


def test_only_the_first_mail_of_a_call_has_the_recording(tmp_path: Path) -> None:
    sound = tmp_path / "c.wav"
    sound.write_bytes(b"RIFF")

    async def scenario() -> None:
        async with mailing(tmp_path) as (watchers, server, store, _):
            async with store.write() as session:
                session.add(artifact("c", str(sound), consent="key", state="finished", gateway=here(store)))
            *before, end = a_call("c")
            for event in (*before, MESSAGE, MESSAGE, end):
                watchers.tell(event)
            await until(server.mails, 2)
            assert [attachments(one) for one in server.mails] == [[b"RIFF"], []]
            assert WORDS["en"].recording in server.mails[1].get_content()

    asyncio.run(scenario())


def test_mails_beyond_the_bound_of_an_hour_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with smtp_server(tmp_path) as server, Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            now = [0.0]
            mailer = Mailer(server.options, lambda agent: Owner((OWNER,)), store, now=lambda: now[0])
            row = DeliveryRecord(call="c", body=BODY, identity="1", tries=0)
            for _ in range(mail.EACH):
                mailer._count("c", [OWNER])
            before = FULL["mails of an hour"]
            with pytest.raises(PostFailed, match="within the hour") as failed:
                await mailer.send(row)
            assert (failed.value.wait, failed.value.final, server.mails) == (600, False, [])
            assert FULL["mails of an hour"] == before + 1
            mailer._count("c", ["another@example.com"])
            now[0] += 3600 / mail.EACH + 1
            await mailer.send(row)
            assert len(server.mails) == 1
            for number in range(mail.ALL):
                with contextlib.suppress(PostFailed):
                    mailer._count("c", [f"{number}@example.com"])
            with pytest.raises(PostFailed, match="within the hour"):
                mailer._count("c", ["nobody@example.com"])

    asyncio.run(scenario())


def test_a_recording_that_is_being_redacted_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    sound = tmp_path / "c.wav"
    sound.write_bytes(b"RIFF")

    async def scenario() -> None:
        async with mailing(tmp_path) as (watchers, server, store, world):
            async with store.write() as session:
                session.add(artifact("c", str(sound), consent="key", state="to redact", gateway=here(store)))
            told(watchers, a_call("c"))
            await until(server.mails)
            assert attachments(server.mails[0]) == []
            assert (world.clock - START).total_seconds() > 100

    asyncio.run(scenario())


@pytest.mark.parametrize("reason", ["552 too big", ""])
def test_what_is_refused_for_good_or_maybe_taken_is_tried_twice_more_without_the_recording(
    tmp_path: Path, reason: str
) -> None:
    sound = tmp_path / "c.wav"
    sound.write_bytes(b"RIFF")

    async def scenario() -> None:
        async with mailing(tmp_path) as (watchers, server, store, world):
            server.refuses, server.hangs_up = [reason] * 9 if reason else [], 0 if reason else 9
            async with store.write() as session:
                session.add(artifact("c", str(sound), consent="key", state="finished", gateway=here(store)))
            told(watchers, a_call("c"))
            async with asyncio.timeout(HANG):
                while not [one for one in await waiting(store) if one.given_up]:
                    await asyncio.sleep(0.02)
            assert len(server.refuses) + server.hangs_up == 6
            assert [attachments(one) for one in server.mails] == ([] if reason else [[b"RIFF"], [], []])
            assert (world.clock - START).total_seconds() > 2 * 600

    asyncio.run(scenario())


def test_a_server_has_ten_minutes_to_take_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mail.TAKES == 600, "RFC 5321, 4.5.3.2.6"
    monkeypatch.setattr(mail, "TAKES", 0.1)

    async def scenario() -> None:
        async with smtp_server(tmp_path) as server, Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            server.answers.clear()
            row = DeliveryRecord(call="c", body=BODY, identity="1", tries=0)
            with pytest.raises(PostFailed, match="text alone, 1") as failed:
                await Mailer(server.options, lambda agent: Owner((OWNER,)), store).send(row)
            assert failed.value.wait == 600, "the server may bring it"
            server.answers.set()

    asyncio.run(scenario())


def test_a_recording_that_the_server_finds_too_large_stays_here(tmp_path: Path) -> None:
    sound = tmp_path / "c.wav"
    sound.write_bytes(b"R" * 800_000)

    async def scenario() -> None:
        async with smtp_server(tmp_path) as server, Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            async with store.write() as session:
                session.add(artifact("c", str(sound), consent="key", state="finished", gateway="here"))
            row = DeliveryRecord(call="c", body=BODY, identity="1", tries=0)
            await Mailer(server.options, lambda agent: Owner((OWNER,)), store).send(row)
            assert attachments(server.mails[0]) == []

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_wrong_password_a_stranger_and_a_dead_server_are_told_without_secrets(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with smtp_server(tmp_path) as server, Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            row = DeliveryRecord(call="c", body=BODY, identity="1", tries=0)
            for changed in ({"password": "wrong word"}, {"ca": ""}, {"port": 1}):
                options = replace(server.options, **changed)
                with pytest.raises(PostFailed) as failed:
                    await Mailer(options, lambda agent: Owner((OWNER,)), store).send(row)
                assert failed.value.wait == (3600 if "password" in changed else None)
                assert not {PASSWORD, "wrong word"} & set(str(failed.value).split(": "))
            assert PASSWORD not in repr(server.options)
            assert server.mails == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[messages]\nmail_to = ["me"]\n[mail]\nhost = "x"\nsender = "a@x.de"', "no address of e-mail"),
        ('[messages]\nwhen = ["closed"]', "say the hours"),
        ('[messages]\nholidays = "XX"', "no country or region"),
        ('[messages]\nholidays = "EntityLoader"', "no country or region"),
        ('[messages]\nhours = ["always"]', "must be written like"),
        ('[mail]\nhost = "mx.example.com"', "host needs the sender, the address"),
        ('[mail]\nhost = "mx.example.com"\nsender = "a@x.de"\ntls = "off"', "of this machine"),
        ('[mail]\nhost = "mx.example.com"\nsender = "a@x.de"\nca = "/none"', "there is no file"),
    ],
)
def test_options_that_will_not_do(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse(text, "sipgw.toml", {})


def test_an_agent_whose_messages_nobody_could_mail_does_not_start() -> None:
    other = AgentConfig(messages=MessageOptions(mail_to=(OWNER,)))
    with pytest.raises(ConfigError, match=r"messages\.mail_to: agent repairs: needs"):
        Agents(GatewayConfig(), {"repairs": other})


def test_the_table_of_mail_is_no_webhook() -> None:
    with pytest.raises(ValueError, match="two webhooks"):
        GatewayConfig(webhooks=(WebhookOptions("[mail]", "https://crm.example/", "x" * 16),))
