"""Why a call was slow, silent or refused stands on its page: real calls, read in Chromium as somebody new reads it."""

import asyncio
import contextlib
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright import async_api as playwright

from agent.records import TurnEnded
from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import AccountOptions
from sipgw.config.records import RecordingOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.config.web import WebOptions
from sipgw.events import CallMeasured
from sipgw.sip.checks import DROP
from sipgw.sip.digest import Credentials
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.sip.uri import Uri
from sipgw.web.server import Dashboard
from tests.calls.test_cloud_call import every_code
from tests.cloud import Cloud, cloud
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.phone import calling
from tests.waiting import HANG

CHROMIUM = "/usr/bin/chromium"
WIDE, NARROW = {"width": 1200, "height": 760}, {"width": 390, "height": 780}
pytestmark = pytest.mark.programs("chromium")

TRUNK = TrunkOptions("carrier", "peer", networks=("127.0.0.1/32",), max_calls=2)
PHONES = AccountOptions("ann", "correct horse", networks=("127.0.0.2/32",))
SLOW = 2.6
"""Seconds until the model's first word."""
QUESTION, ANSWER = Said("Where is my order 7346?", 2500, 3500), Reply(text=["It is out for delivery."])


def two_doors(config: GatewayConfig) -> GatewayConfig:
    """A carrier at 127.0.0.1, phones with a password at 127.0.0.2."""
    return replace(config, trunks=(TRUNK,), accounts=(PHONES,))


async def lasting(world: Cloud, kind: type, count: int, **options: Any) -> str:
    """A call, until so many events or reports of one kind have come of it; returns its Call-ID."""
    seen: list[tuple[str, type]] = []
    world.gateway.watchers.add(lambda event: seen.append((event.call, type(getattr(event, "report", event)))))
    async with calling(world.target, every_code, **options) as phone, asyncio.timeout(HANG):
        assert phone.leg
        while seen.count((phone.leg.id, kind)) < count:
            await asyncio.sleep(0.1)
        return phone.leg.id


async def refused(target: Uri, host: str, password: str = "") -> str:
    """A call from `host` that is not let in; returns its Call-ID."""
    sent: list[str] = []
    options = EndpointOptions(host=host, port=0, tcp=False)
    async with Endpoint(
        options, lambda leg: leg.reject(603), lambda *_: DROP, lambda traced: sent.append(traced.data.decode())
    ) as endpoint:
        with contextlib.suppress(CallFailed, TimeoutError):
            async with asyncio.timeout(1):
                offer = make_offer(LocalMedia(host, 4000, tls=False))
                credentials = Credentials("ann", password) if password else None
                await endpoint.invite(target, f"<sip:ann@{host}>", offer, credentials=credentials)
                raise AssertionError("it was let in")
    return next(line[9:] for line in sent[0].split("\r\n") if line.startswith("Call-ID: "))


async def calls(world: Cloud) -> dict[str, str]:
    """All of them, at the same time; returns their Call-IDs."""
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(lasting(world, TurnEnded, 2, caller="slow"))
        silent = group.create_task(lasting(world, CallMeasured, 2, caller="silent", sends=False))
        while world.gateway.admission.capacity.calls[TRUNK.name] < TRUNK.max_calls:
            await asyncio.sleep(0.05)
        full = await refused(world.target, "127.0.0.1")
        password = await refused(world.target, "127.0.0.2", "wrong horse")
        stranger = await refused(world.target, "127.0.0.3")
    return {"slow": slow.result(), "silent": silent.result(), "full": full, "password": password, "stranger": stranger}


WHERE = {"slow": "/calls", "silent": "/calls", "full": "/trunks", "password": "/trunks", "stranger": "/trunks"}
"""The page that leads to each."""
TOLD = {
    "slow": (
        "The agent answered slowly, mostly waiting for the language model's first word.",
        r"2\.\d of 2\.\d s from the caller's last word to the answer, in the one turn that was timed",
        "the caller heard a filler first",
        r"Choose a smaller or nearer \[agent\] llm",
    ),
    "silent": (
        "Nothing was received from the other side: the agent could not hear the caller.",
        "Not one packet of sound came in 10 s.",
        r"We had asked for it at 127\.0\.0\.1, UDP port \d+\.",
        r"Open the UDP ports of \[media\] port_range",
    ),
    "full": (
        r"We refused the call: its trunk had as many calls as it may have at once \(503\)\.",
        "the trunk has 2 calls, its max_calls",
        r"Raise \[\[trunks\]\] max_calls",
    ),
    "password": (
        r"We refused the call: the password was wrong \(401\)\.",
        "wrong password of the account 'ann'",
        r"Set the same password in the phone or PBX and in \[\[accounts\]\] password",
    ),
    "stranger": (
        "We did not answer: the call came from an address that belongs to no trunk or account",
        r"It came from 127\.0\.0\.3:\d+; nothing was sent back\.",
        r"to \[\[accounts\]\] networks",
    ),
}
"""What each page says: the sentence, what shows it, and what to do."""


def test_a_newcomer_reads_why_a_real_call_was_slow_silent_or_refused(tmp_path: Path) -> None:
    recording = RecordingOptions(str(tmp_path / "recordings"))

    async def scenario() -> list[str]:
        wrong: list[str] = []
        async with (
            cloud(
                tmp_path, [QUESTION], [ANSWER], recording=recording, delays=(0.1, SLOW, 0.2), change=two_doors
            ) as world,
            Dashboard(world.gateway, WebOptions(port=0)) as dashboard,
            playwright.async_playwright() as browsers,
        ):
            placed = await calls(world)
            browser = await browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await browser.new_page(viewport=WIDE, locale="en-GB")  # type: ignore[arg-type]
            page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            for name, call in placed.items():
                await page.goto(dashboard.url.rstrip("/") + WHERE[name])
                await page.click(f"main a[href='/calls/{quote(call)}']")
                await page.wait_for_selector("[data-ready=ended]", timeout=HANG * 1000)
                why = page.locator("[data-part=why] > div").first
                for words in TOLD[name]:
                    await playwright.expect(why).to_contain_text(re.compile(words))
                await kept(page, name, {"slow", "silent", "password"})
            await browser.close()
        return wrong

    assert asyncio.run(scenario()) == []


async def kept(page: Any, name: str, wanted: set[str]) -> None:
    """Keep how a page looks, in both themes and on a telephone, if `SCREENSHOTS` names a folder: docs/screenshots."""
    folder = os.environ.get("SCREENSHOTS")
    for theme in ("light", "dark", "phone") if folder and name in wanted else ():
        await page.set_viewport_size(NARROW if theme == "phone" else WIDE)
        await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        await page.reload()
        await page.wait_for_timeout(500)
        await page.screenshot(path=f"{folder}/{name}-{theme}.png")
    await page.set_viewport_size(WIDE)
