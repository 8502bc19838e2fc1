"""Every page, as a browser asks for it."""

import asyncio
from pathlib import Path

import pytest

from sipgw.web.app import PAGES
from tests.web.house import live_call, visit

SCRIPT = '<script>alert("x")</script>'


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_a_page_of_an_idle_gateway(tmp_path: Path, path: str) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            answer = await there.browser.get(path)
            assert answer.status_code == 200
            assert answer.text.count('aria-current="page"') == 1
            assert "<script>" not in answer.text  # every script is a file: the policy allows no other
            assert "style=" not in answer.text

    asyncio.run(look())


def test_what_a_caller_calls_themselves_is_shown_as_text(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            there.house.begin(live_call(caller=SCRIPT))
            text = (await there.browser.get("/")).text
            assert SCRIPT not in text
            assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in text

    asyncio.run(look())


def test_an_unknown_page_is_told(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            answer = await there.browser.get("/nowhere")
            assert answer.status_code == 404
            assert 'role="alert"' in answer.text

    asyncio.run(look())


def test_a_name_that_is_not_ours_gets_nothing(tmp_path: Path) -> None:
    """DNS rebinding: another site's name that leads to our address."""

    async def look() -> None:
        async with visit(tmp_path, '[web]\nnames = ["phone.example.com"]') as there:
            for host, status in (("evil.example", 421), ("phone.example.com", 200), ("localhost:8080", 200),
                                 ("[::1]:8080", 200), ("", 421)):  # fmt: skip
                assert (await there.browser.get("/", headers={"Host": host})).status_code == status, host

    asyncio.run(look())


def test_another_site_changes_nothing(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
                assert (await there.browser.post("/", headers=headers)).status_code == 403
            ours = {"Origin": "http://127.0.0.1:8080"}
            assert (await there.browser.post("/", headers=ours)).status_code == 403
            assert (await there.browser.post("/", headers=ours | await there.token())).status_code == 405

    asyncio.run(look())


def test_every_answer_has_the_policy(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            for path in ("/", "/nowhere", "/static/base.js"):
                policy = (await there.browser.get(path)).headers["content-security-policy"]
                assert "default-src 'none'; script-src 'self';" in policy
                assert "unsafe" not in policy

    asyncio.run(look())
