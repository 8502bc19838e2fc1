"""Mails of alarms beside those of messages, and the text of both."""

import asyncio
import json
import smtplib
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from sipgw.config.config import parse
from sipgw.config.errors import ConfigError
from sipgw.events import TrunkAlarm
from sipgw.records.webhooks import mail
from sipgw.records.webhooks.mail import Mailer
from sipgw.records.webhooks.webhooks import PostFailed
from tests.cdr_events import START, a_call, at
from tests.records.webhooks.test_mail import BODY, ENGINEER, MESSAGE, OWNER, mailing, until
from tests.records.webhooks.test_mail_again import mailer_of, row

ALARM = json.dumps(
    {"event": "alarm", "about": {"trunk": "office"}, "at": "now", "call": "c", "to": [OWNER], "record": "c"}
    | {"data": {"trunk": "office", "fault": "failed", "raised": True, "bad": 10, "calls": 10}}
)


def test_an_alarm_does_not_wait_for_the_message_of_its_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailing(tmp_path) as (watchers, server, _, _):
            *before, end = a_call("c")
            for event in (*before, MESSAGE, TrunkAlarm("c", at(60), "office", "one_way", True, 12, 50)):
                watchers.tell(event)
            await until(server.mails)
            assert server.recipients == [[ENGINEER]], "the message waits for the end of the call"
            watchers.tell(end)
            await until(server.mails, 2)
            assert server.recipients == [[ENGINEER], [OWNER]]

    asyncio.run(scenario())


def test_messages_of_an_hour_keep_back_no_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "EACH", 1)

    async def scenario() -> None:
        async with mailer_of(tmp_path) as (of_another_limit, server, store):
            mailer = Mailer(of_another_limit.options, of_another_limit.owner, store, now=lambda: 0.0)
            message = row(json.dumps(json.loads(BODY) | {"first": False}))
            await mailer.send(message)
            with pytest.raises(PostFailed):
                await mailer.send(message)
            await mailer.send(row(ALARM, kind="alarm"))
            assert len(server.mails) == 2

    asyncio.run(scenario())


def test_an_alarm_that_had_to_wait_has_the_date_of_its_beginning_and_says_what_to_do(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailer_of(tmp_path) as (mailer, server, _):
            await mailer.send(row(ALARM, kind="alarm"))
            over = json.loads(ALARM)
            over["data"]["raised"] = False
            await mailer.send(row(json.dumps(over), kind="alarm"))
            raised, ended = server.mails
            assert parsedate_to_datetime(raised["Date"]) == START.replace(microsecond=0, tzinfo=None)
            assert "sipgw doctor checks trunks and providers" in raised.get_content()
            assert "You need to do nothing" in ended.get_content()
            assert "doctor" not in ended.get_content()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?Jo=0d=0aBcc:_all@example.com?=",
        "=?utf-8?q?Jo=0d=0a=0d=0aYour_account?=",
        "=?utf-8?b?Sm8NCkJjYzogeA==?=",
    ],
)
def test_an_encoded_word_of_a_caller_makes_no_line_of_a_header(name: str) -> None:
    body = json.loads(BODY) | {"data": {"name": name, "number": "1"}}
    head = mail._message(body, "gateway@example.com", row()).as_bytes().decode().partition("\n\n")[0]
    assert [line.partition(":")[0] for line in head.splitlines() if not line.startswith(" ")] == [
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version",
    ]  # fmt: skip


def test_a_subject_has_no_signs_that_are_not_shown() -> None:
    body = json.loads(BODY) | {"data": {"name": "Jo\x00\u202eann", "number": "1"}}
    assert mail._message(body, "gateway@example.com", row())["Subject"] == "Message from Jo ann, 1"


@pytest.mark.parametrize(
    "wrong", ["ops(night)@x.de", "(ops)@x.de", 'o"ps@x.de', "ops@x..de", "ops@x.de.", "[ops]@x.de", "o\x00ps@x.de"]
)
def test_an_address_that_would_become_another_one_is_refused(wrong: str) -> None:
    text = f'[alarms]\nmail_to = [{json.dumps(wrong)}]\n[mail]\nhost = "x"\nsender = "a@x.de"'
    with pytest.raises(ConfigError, match="no address of e-mail"):
        parse(text, "t", {})
    assert parse(text.replace(json.dumps(wrong), '"ops+night@x.de", "jürgen@x.de"'), "t", {}).alarms.mail_to


def test_the_log_names_what_the_mail_server_does_not_offer() -> None:
    error = smtplib.SMTPNotSupportedError("STARTTLS extension not supported by server.")
    assert str(mail._failed(error, 0)) == "SMTPNotSupportedError: STARTTLS extension not supported by server."
