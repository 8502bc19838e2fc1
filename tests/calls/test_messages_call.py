"""Messages left out of hours, and when nobody takes a transfer: real SIP and RTP, the providers' protocols, a mail
server and a webhook.
"""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from media.recording.wav import HEADER
from sipgw.config.config import GatewayConfig
from sipgw.config.messages import MessageOptions
from sipgw.config.people import PersonOptions
from sipgw.config.records import RecordingOptions, WebhookOptions
from tests.callee import callee, rejecting
from tests.calls.test_bridged_transfer import ASKED, NUMBER, SORRY, connecting, murmur, told, trunks, world
from tests.calls.test_cloud_call import LENT, records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.fakes.smtp import smtp_server
from tests.phone import calling
from tests.records.webhooks.test_webhooks import SECRET, Target, ok
from tests.waiting import HANG

FORM = {"name": "Jo Ray", "number": "+14155550132", "matter": "The boiler leaks.", "urgency": "urgent"}
TAKE = Reply(calls=[("c1", "take_message", json.dumps(FORM))])
SAY_BACK = Reply(text=["Jo Ray, +1 415 555 0132, right?"])
CLOSED = MessageOptions(("closed",), ("mon 00:00-00:01",), mail_to=("owner@example.com",))


@pytest.mark.slow
def test_a_message_left_out_of_hours_reaches_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipgw.records.webhooks.deliveries.SETTLES", timedelta(seconds=0.06))

    async def scenario():
        async with smtp_server(tmp_path) as mails, Target(ok) as server:
            hook = WebhookOptions("crm", server.url, SECRET, events=("message",), private_networks=True)

            def change(config: GatewayConfig) -> GatewayConfig:
                return replace(config, webhooks=(hook,), messages=CLOSED, mail=mails.options)

            said = [Said("the boiler leaks call Jo Ray", 4000, 6000), Said("Yes.", 12_000, 12_600)]
            replies = [TAKE, SAY_BACK, TAKE, Reply(text=["We will call you."])]
            async with cloud(tmp_path, said, replies, change=change) as world:
                async with calling(world.target, lambda frame: LENT) as phone:
                    await phone.hears(sound_of("We will call you."))
                    assert mails.mails == [], "it goes out when the call is over"
                (record,) = await records(world.gateway)
                async with asyncio.timeout(HANG):
                    while not (mails.mails and server.exchanges):
                        await asyncio.sleep(0.05)
                return record, mails.mails, json.loads(server.exchanges[0].body), world.llm.requests[0]["messages"]

    record, (letter,), told, asked = asyncio.run(scenario())
    assert "closed" in asked[0]["content"]
    runs = [run for turn in record["turns"] for run in turn["tools"]]
    assert "say_back" in runs[0]["result"]
    assert runs[1]["arguments"] == FORM
    assert (told["event"], told["data"]) == ("message", FORM)
    assert letter["Subject"] == "Urgent message from Jo Ray, +14155550132"
    assert "The boiler leaks." in letter.get_content()


@pytest.mark.slow
def test_the_mail_has_the_recording_of_the_call_to_which_the_caller_consented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipgw.records.webhooks.deliveries.SETTLES", timedelta(seconds=0.06))
    recording = RecordingOptions(str(tmp_path / "calls"), consent="announce")

    async def scenario():
        async with smtp_server(tmp_path) as mails:

            def change(config: GatewayConfig) -> GatewayConfig:
                return replace(config, messages=CLOSED, mail=mails.options)

            said = [Said("the boiler leaks call Jo Ray", 7000, 9000), Said("Yes.", 15_000, 15_600)]
            replies = [TAKE, SAY_BACK, TAKE, Reply(text=["We will call you."])]
            async with cloud(tmp_path, said, replies, change=change, recording=recording) as world:
                async with calling(world.target, murmur) as phone:
                    await phone.hears(sound_of("We will call you."))
                async with asyncio.timeout(HANG):
                    while not mails.mails:
                        await asyncio.sleep(0.05)
                return mails.mails

    (letter,) = asyncio.run(scenario())
    (attached,) = letter.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == ("audio/wav", "recording.wav")
    agent = attached.get_content()[HEADER:][1::2]
    assert sound_of("We will call you.").strip(b"\xff") in agent
    assert attached.get_content()[:4] == b"RIFF"


@pytest.mark.slow
def test_when_nobody_takes_the_transfer_the_caller_leaves_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipgw.records.webhooks.deliveries.SETTLES", timedelta(seconds=0.06))
    unreached = MessageOptions(("unreached",), mail_to=("owner@example.com",), language="de")

    async def scenario():
        async with callee(rejecting(486)) as person, smtp_server(tmp_path) as mails:
            people = [PersonOptions("billing", NUMBER, trunk="carrier")]
            said = [*ASKED, Said("Then the boiler leaks call Jo Ray", 9000, 11_000), Said("Yes.", 17_000, 17_600)]
            replies = [connecting(), TAKE, SAY_BACK, TAKE, Reply(text=["We will call you."])]
            ways = trunks(person)
            async with world(tmp_path, people, ways, replies, said, messages=unreached, mail=mails.options) as gateway:
                tries = told(gateway)
                async with calling(gateway.target, murmur) as caller:
                    await caller.hears(SORRY)
                    await caller.hears(sound_of("We will call you."))
                (record,) = await records(gateway.gateway)
                async with asyncio.timeout(HANG):
                    while not mails.mails:
                        await asyncio.sleep(0.05)
                return record, mails.mails, tries, gateway.llm.requests

    record, (letter,), tries, asked = asyncio.run(scenario())
    assert [(one.accepted, one.status) for one in tries] == [(False, 486)]
    assert "take_message" in asked[0]["messages"][0]["content"], "it may offer that when nobody takes the transfer"
    runs = [run for turn in record["turns"] for run in turn["tools"] if run["name"] == "take_message"]
    assert "say_back" in runs[0]["result"] and runs[1]["arguments"] == FORM
    assert letter["Subject"] == "Dringende Nachricht von Jo Ray, +14155550132"
    assert "> The boiler leaks." in letter.get_content().splitlines()
