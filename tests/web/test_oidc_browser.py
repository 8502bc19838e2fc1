"""Signing in by an identity provider in a real browser, which decides which cookies cross from site to site."""

import asyncio
from pathlib import Path

import pytest
from playwright import async_api as playwright

from tests.fakes.identity_provider import IdentityProvider
from tests.ports import free_ports
from tests.waiting import HANG
from tests.web.sample_gateway import served
from tests.web.test_browser import ARGUMENTS, CHROMIUM

pytestmark = pytest.mark.programs("chromium")


def test_a_browser_comes_back_from_another_site_and_is_in(tmp_path: Path) -> None:
    async def look() -> None:
        port = free_ports()
        url = f"http://localhost:{port}"  # the provider is on 127.0.0.1: another site
        async with IdentityProvider(f"{url}/sign-in/oidc/callback") as fake:
            fake.secret = ""
            more = (
                f'[web.oidc]\nissuer = "{fake.url}"\nclient_id = "dashboard"\nurl = "{url}"\n'
                'viewers = ["phones"]\nlabel = "Example"\n'
            )
            async with served(tmp_path, more=more, port=port), playwright.async_playwright() as play:
                browser = await play.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
                try:
                    page = await browser.new_page()
                    page.set_default_timeout(HANG * 1000)
                    wrong: list[str] = []
                    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
                    await page.goto(f"{url}/trunks")
                    await page.get_by_role("link", name="Sign in with Example").click()
                    await page.wait_for_url(f"{url}/trunks")
                    await page.get_by_role("button", name="Sign out oidc:ann").click()
                    await page.wait_for_url(f"{url}/sign-in")
                    await page.goto(f"{url}/trunks")
                    await page.wait_for_url(f"{url}/sign-in?next=/trunks")
                    assert wrong == []
                    # A link on a page of others signs nobody in.
                    await page.goto("data:text/html,<a href='" + f"{url}/sign-in/oidc'>prize</a>")
                    await page.get_by_role("link", name="prize").click()
                    await page.get_by_role("link", name="Sign in with Example").wait_for()
                    assert fake.asked("/authorize") == 1
                finally:
                    await browser.close()

    asyncio.run(look())
