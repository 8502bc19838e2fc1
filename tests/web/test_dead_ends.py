"""Every link of a page leads somewhere, for everybody who is shown it."""

import asyncio
import html
import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.web.gateway_view import Visit, visit
from tests.web.test_tenants import shared

TOML = '[web]\npassword = "${PASSWORD}"\n[[tenants]]\nname = "acme"\nagents = []\n'


async def walked(there: Visit, headers: dict[str, str]) -> dict[str, int]:
    """The status of each page that links lead to from the home page, page by page."""
    answers, waiting = dict[str, int](), ["/"]
    while waiting:
        page = waiting.pop()
        answer = await there.browser.get(page, headers=headers)
        answers[page] = answer.status_code
        for link in re.findall(r'<a [^>]*href="([^"#]+)', answer.text):
            found = urlsplit(urljoin(page, html.unescape(link)))
            address = found._replace(fragment="").geturl()
            file = found.path.endswith("/recording")  # the sample has the name of one only
            if not found.netloc and not file and address not in answers and address not in waiting:
                waiting.append(address)
    return answers


@pytest.mark.parametrize(("role", "tenant"), [("admin", ""), ("viewer", ""), ("admin", "acme"), ("viewer", "acme")])
def test_no_link_of_an_idle_gateway_is_a_dead_end(tmp_path: Path, role: str, tenant: str) -> None:
    async def look() -> None:
        async with visit(tmp_path, TOML) as there:
            await there.auth.accounts.set_user("eve", role, "battery staple", tenant)  # type: ignore[arg-type]
            await there.browser.post("/sign-in", data={"name": "eve", "password": "battery staple"})
            answers = await walked(there, {})
            assert {"/", "/live", "/calls"} <= answers.keys()
            assert [page for page, status in answers.items() if status != 200] == []

    asyncio.run(look())


def test_no_link_of_a_busy_tenant_is_a_dead_end_nor_is_it_asked_for_a_trunk(tmp_path: Path) -> None:
    async def look() -> None:
        async with shared(tmp_path) as (there, (person, _)):
            there.gateway.calls.clear()  # this gateway has no evidence of them
            answers = await walked(there, person)
            assert any(address.startswith("/calls/") for address in answers)
            assert [page for page, status in answers.items() if status != 200] == []
            assert 'name="trunk"' not in (await there.browser.get("/calls", headers=person)).text

    asyncio.run(look())
