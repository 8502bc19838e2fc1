"""The page of the configuration says what each option means, and what is in force."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx

from sipgw.config.config import GatewayConfig
from sipgw.web.accounts import Accounts
from sipgw.web.app import application
from sipgw.web.authentication import Authentication
from sipgw.web.configuration import tables
from sipgw.web.feed import Feed
from tests.cloud import cloud


def test_every_option_has_a_meaning() -> None:
    shown = tables(GatewayConfig())
    assert len(shown) > 30
    assert not [f"[{table.name}] {option.name}" for table in shown for option in table.options if not option.meaning]


def test_after_a_reload_the_page_shows_what_is_in_force(tmp_path: Path) -> None:
    async def look() -> str:
        async with cloud(tmp_path, [], []) as world:
            gateway, config = world.gateway, world.gateway.config
            changed = replace(
                config, agent=replace(config.agent, greeting="Bolt here."), cost=replace(config.cost, currency="XTS")
            )
            await gateway.reload(changed, {})
            auth = Authentication(config.web, Accounts(gateway.store))
            await auth.prepare()
            app = application(gateway, config.web, Feed(lambda: gateway.calls), auth)
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url=f"http://127.0.0.1:{config.web.port}"
            ) as browser:
                return (await browser.get("/configuration")).text

    text = asyncio.run(look())
    assert "Bolt here." in text
    assert "XTS" not in text, "the currency changes with a restart"
