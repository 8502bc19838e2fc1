"""A browser, a dashboard and an identity provider that it believes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from agent.authorities import tls
from sipgw.web.accounts import audit_entries
from tests.fakes.identity_provider import IdentityProvider
from tests.web.gateway_view import Visit, visit

URL = "http://127.0.0.1:8080"
BACK = f"{URL}/sign-in/oidc/callback"


@dataclass
class Meeting:
    """A browser at a dashboard that believes a provider."""

    fake: IdentityProvider
    there: Visit

    async def begin(self, where: str = "/trunks", **headers: str) -> httpx.Response:
        return await self.there.browser.get("/sign-in/oidc", params={"next": where}, headers=headers)

    async def answered(self, where: str = "/trunks") -> str:
        """The address to which the provider sends the browser back."""
        begun = await self.begin(where)
        assert begun.status_code == 303, begun.text
        async with httpx.AsyncClient(verify=tls()) as outside:
            sent = await outside.get(begun.headers["location"])
        assert sent.status_code == 303, sent.text
        assert sent.headers["location"].startswith(BACK)
        return sent.headers["location"]

    async def sign_in(self, where: str = "/trunks") -> httpx.Response:
        return await self.there.browser.get(await self.answered(where))

    async def is_in(self) -> bool:
        return (await self.there.browser.get("/trunks")).status_code == 200

    async def audit(self) -> list[tuple[str, str]]:
        return [(one.who, one.action) for one in await audit_entries(self.there.gateway.store)]


@contextlib.asynccontextmanager
async def meeting(folder: Path, more: str = "", algorithm: str = "RS256", **fake: Any) -> AsyncIterator[Meeting]:
    async with IdentityProvider(BACK, algorithm) as provider:
        for name, value in fake.items():
            setattr(provider, name, value)
        secret = 'client_secret = "${ANOTHER}"\n' if provider.secret else ""
        toml = f'[web.oidc]\nissuer = "{provider.url}"\nclient_id = "dashboard"\nurl = "{URL}"\n{secret}'
        groups = "" if "admins" in more else 'operators = ["phones"]\nadmins = ["it"]\n'
        async with visit(folder, toml + groups + more) as there:
            yield Meeting(provider, there)


def run(folder: Path, check: Callable[[Meeting], Awaitable[None]], *more: Any, **fake: Any) -> None:
    async def look() -> None:
        async with meeting(folder, *more, **fake) as met:
            await check(met)

    asyncio.run(look())
