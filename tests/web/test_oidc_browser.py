"""Signing in by an identity provider in a real browser, which decides which cookies cross from site to site."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright import async_api as playwright

from sipgw.web.oidc_sign_in import NO_ROLE
from tests.fakes.identity_provider import IdentityProvider
from tests.ports import free_ports
from tests.waiting import HANG
from tests.web.sample_gateway import served
from tests.web.test_browser import ARGUMENTS, AXE, CHROMIUM, FAULTS
from tests.web.test_campaigns_browser import press_until
from tests.web.test_keyboard import LOOKS

pytestmark = pytest.mark.programs("chromium")


@contextlib.asynccontextmanager
async def meeting(folder: Path, **options: Any) -> AsyncIterator[tuple[Any, str, IdentityProvider]]:
    """A page of a browser, the address of a dashboard, and the provider by which people sign in there."""
    port = free_ports()
    url = f"http://localhost:{port}"  # the provider is on 127.0.0.1: another site
    async with IdentityProvider(f"{url}/sign-in/oidc/callback") as fake:
        fake.secret = ""
        more = f'[web.oidc]\nissuer = "{fake.url}"\nclient_id = "dashboard"\nurl = "{url}"\nviewers = ["phones"]\n'
        async with served(folder, more=more, port=port), playwright.async_playwright() as play:
            browser = await play.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
            try:
                page = await browser.new_page(**options)
                page.set_default_timeout(HANG * 1000)
                yield page, url, fake
            finally:
                await browser.close()


def test_a_browser_comes_back_from_another_site_and_is_in(tmp_path: Path) -> None:
    async def look() -> None:
        async with meeting(tmp_path) as (page, url, fake):
            wrong: list[str] = []
            page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
            await page.goto(f"{url}/trunks")
            await page.get_by_role("link", name="Sign in with single sign-on").click()
            await page.wait_for_url(f"{url}/trunks")
            await page.get_by_role("button", name="Sign out oidc:ann").click()
            await page.wait_for_url(f"{url}/sign-in")
            await page.goto(f"{url}/trunks")
            await page.wait_for_url(f"{url}/sign-in?next=/trunks")
            assert wrong == []
            # A link on a page of others signs nobody in.
            await page.goto("data:text/html,<a href='" + f"{url}/sign-in/oidc'>prize</a>")
            await page.get_by_role("link", name="prize").click()
            await page.get_by_role("link", name="Sign in with single sign-on").wait_for()
            assert fake.asked("/authorize") == 1

    asyncio.run(look())


@LOOKS
def test_the_pages_around_the_provider_are_accessible_and_used_by_keyboard(
    tmp_path: Path, theme: str, width: int
) -> None:
    async def look() -> None:
        size = {"width": width, "height": 800}
        async with meeting(tmp_path, color_scheme=theme, viewport=size) as (page, url, _):
            await page.goto(f"{url}/trunks")
            await accessible(page)
            await page.route(f"{url}/trunks", lambda route: route.fulfill(status=204))  # it leads on by itself
            await press_until(page, '[href^="/sign-in/oidc"]')
            await page.get_by_role("heading", name="You are signed in").wait_for()
            await accessible(page)
            await page.unroute(f"{url}/trunks")
            await press_until(page, "main a")
            await page.wait_for_url(f"{url}/trunks")

    asyncio.run(look())


@LOOKS
def test_who_has_no_role_is_told_so_on_a_page_that_is_accessible(tmp_path: Path, theme: str, width: int) -> None:
    async def look() -> None:
        size = {"width": width, "height": 800}
        async with meeting(tmp_path, color_scheme=theme, viewport=size) as (page, url, fake):
            fake.person["groups"] = ["somewhere else"]
            await page.goto(f"{url}/trunks")
            await press_until(page, '[href^="/sign-in/oidc"]')
            await page.get_by_role("alert").get_by_text(NO_ROLE).wait_for()
            await accessible(page)
            fake.person["groups"] = ["phones"]
            await press_until(page, '[href^="/sign-in/oidc"]')
            await page.wait_for_url(f"{url}/**")

    asyncio.run(look())


async def accessible(page: Any) -> None:
    await page.evaluate(AXE)
    assert await page.evaluate(FAULTS) == [], page.url
    assert await page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
