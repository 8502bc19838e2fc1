"""The verdict on a caller's signed number on the page of their call, in a real browser: one who is, and two forgers."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright import async_api as playwright

from sipgw.config.trunks import TrunkOptions
from sipgw.config.web import WebOptions
from sipgw.web.server import Dashboard
from tests.calls.test_cloud_call import every_code
from tests.cloud import cloud
from tests.fakes.openai import Reply
from tests.interop.chromium import PROGRAM
from tests.phone import calling
from tests.stir_world import StirWorld, p256
from tests.waiting import HANG, until, within

pytestmark = [pytest.mark.slow, pytest.mark.programs("chromium")]

CALLER, CALLED, OTHER = "+14155550100", "+12125550123", "+13105550199"


def test_the_page_of_a_call_shows_whether_its_number_is_signed_or_forged(tmp_path: Path) -> None:
    """By the timeline of the call, and by its record alone."""
    authority = StirWorld(tmp_path, at=datetime.now(UTC))
    callers = {
        authority.identity(CALLER, CALLED): "passed, attestation A, by 709B",
        authority.identity(OTHER, CALLED): "failed, it is signed for another caller",
        authority.identity(CALLER, CALLED, key=p256()): "failed, the signature is not that of the certificate",
    }
    trunk = TrunkOptions("carrier", "peer", networks=("127.0.0.1/32",), country="US")

    async def scenario() -> list[tuple[str, str]]:
        found = []
        verifies = lambda config: replace(config, stir=authority.options())  # noqa: E731
        async with (
            cloud(tmp_path, [], [Reply()], trunks=(trunk,), change=verifies) as world,
            Dashboard(world.gateway, WebOptions(port=0)) as dashboard,
            playwright.async_playwright() as browsers,
        ):
            assert world.gateway.services.stir is not None
            world.gateway.services.stir._certificates._fetch = authority.fetch
            browser = await browsers.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
            page = await browser.new_page()
            page.set_default_timeout(HANG * 1000)
            for identity, wanted in callers.items():
                target = replace(world.target, user=CALLED)
                async with calling(target, every_code, (("Identity", identity),), caller=CALLER) as phone:
                    assert phone.leg
                    (live,) = [one for one in world.gateway.calls.values() if one.info.call_id == phone.leg.id]
                    assert await within(live.context.verified()) is wanted.startswith("passed")
                kept, _ = world.gateway.evidence.timelines._paths(live.info.key)
                await until(kept.exists)
                for _ in range(2):
                    await page.goto(f"{dashboard.url}calls/{quote(live.info.id)}")
                    await page.wait_for_selector("[data-ready=ended]", timeout=HANG * 1000)
                    shown = page.locator("[data-part=facts]", has_text="Signed number")
                    found.append((wanted, await shown.inner_text()))
                    kept.unlink(missing_ok=True)  # as it is after a while: the record is left
            await browser.close()
        return found

    found = asyncio.run(scenario())
    for wanted, shown in found:
        assert wanted in shown, shown
