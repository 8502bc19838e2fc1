"""The audit log, and what of it a tenant sees; tests/interop/test_tenancy.py asks PostgreSQL."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sipgw.web import one_call
from sipgw.web.accounts import audit_entries
from sipgw.web.principal import Principal
from tests.web.gateway_view import Visit
from tests.web.test_tenants import HOLDERS, app_of, shared, taken

BY_OPERATOR = ("operator-of-all", "192.0.2.77")
"""Name of the operator's person, and an address."""


async def signed_in(there: Visit, name: str) -> dict[str, str]:
    """The headers of somebody who signs in."""
    await there.browser.post("/sign-in", data={"name": name, "password": "battery staple"})
    cookie = "; ".join(f"{name}={value}" for name, value in there.browser.cookies.items())
    headers = {"Cookie": cookie, **await there.token("/calls")}
    there.browser.cookies.clear()
    return headers


async def act(there: Visit, holder: str, headers: dict[str, str]) -> None:
    """Whatever the operator can do to what a holder has: by a request, a websocket, and for a file."""
    post, get = there.browser.post, there.browser.get
    campaign = f"campaign-{holder}" if holder == "initech" else f"{holder}/campaign-{holder}"
    for answer in (
        await post(f"/api/v1/calls/live-{holder}/say", headers=headers, json={"text": f"told-{holder}"}),
        await get(f"/calls/past-{holder}/bundle", headers=headers),
        await get(f"/calls/trace-{holder}/bundle", headers=headers),
        await post(f"/api/v1/campaigns/{campaign}/state", headers=headers, json={"state": "paused"}),
        await post("/api/v1/calls", headers=headers, json={"to": "+15550123", "agent": f"sales-{holder}"}),
    ):
        assert answer.status_code in (200, 201), answer.text
    assert await taken(app_of(there), f"/api/live/live-{holder}/listen", headers)


def test_a_tenant_sees_what_concerns_it_and_nobody_of_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def packed(*_: Any) -> bytes:
        return b"sound"

    monkeypatch.setattr(one_call, "_bundle", packed)

    async def look() -> None:
        async with shared(tmp_path) as (there, (person, program)):
            await there.auth.accounts.set_user(BY_OPERATOR[0], "admin", "battery staple")
            above, other = await signed_in(there, BY_OPERATOR[0]), await signed_in(there, "user-globex")
            for holder in HOLDERS:
                await act(there, holder, above)
            await there.auth.accounts.note(Principal.named(BY_OPERATOR[0]), "acme", "x", "ann", "", BY_OPERATOR[1])
            said = {"text": "Hello."}
            assert (
                await there.browser.post("/api/v1/calls/live-acme/say", headers=person, json=said)
            ).status_code == 200
            asked = await there.browser.get("/api/v1/audit", headers=program)
            page = (await there.browser.get("/audit", headers=person)).text
            entries = asked.json()["entries"]
            assert sorted((one["who"], one["action"], one["target"]) for one in entries) == sorted(
                [
                    ("", "said", "live-acme"), ("", "listened", "live-acme"), ("", "x", "ann"),
                    ("", "saw", "past-acme"),
                    ("", "fetched the bundle", "past-acme"), ("", "fetched the bundle", "trace-acme"),
                    ("", "paused a campaign", "acme/campaign-acme"), ("", "made a call", "+15550123"),
                    ("ann", "said", "live-acme"), ("ann", "signed in", ""),
                ]
            )  # fmt: skip
            assert {(one["address"], bool(one["who"])) for one in entries} == {("", False), ("127.0.0.1", True)}
            assert 'href="/audit"' in page and "the operator" in page and "campaign-acme" in page
            for text in (asked.text, page):
                assert not [word for word in (*HOLDERS[1:], *BY_OPERATOR, "told-") if word in text]
            globex = (await there.browser.get("/audit", headers=other)).text
            assert "live-globex" in globex and "user-globex" in globex and "acme" not in globex
            everything = (await there.browser.get("/audit", headers=above)).text
            for word in (*BY_OPERATOR, "told-acme", "live-acme", "live-globex", "live-initech", "user-globex"):
                assert word in everything
            operated = [one for one in await audit_entries(there.gateway.store) if one.who == BY_OPERATOR[0]]
            assert sorted({(one.tenant, one.by_operator) for one in operated}) == [
                ("", True), ("acme", True), ("globex", True),
            ]  # fmt: skip

    asyncio.run(look())


def test_the_audit_log_is_for_admins_and_for_keys_with_its_scope(tmp_path: Path) -> None:
    """Of a tenant too; who may not see it has no link to it."""

    async def look() -> None:
        async with shared(tmp_path) as (there, _):
            accounts = there.auth.accounts
            for tenant in ("acme", ""):
                for role, status in (("viewer", 403), ("operator", 403), ("admin", 200)):
                    await accounts.set_user("eve", role, "battery staple", tenant)  # type: ignore[arg-type]
                    headers = await signed_in(there, "eve")
                    for address in ("/audit", "/api/v1/audit"):
                        assert (await there.browser.get(address, headers=headers)).status_code == status
                    calls = (await there.browser.get("/calls", headers=headers)).text
                    assert ('href="/audit"' in calls) == (status == 200)
                for scope, status in (("calls:read", 403), ("audit:read", 200)):
                    bearer = {"Authorization": f"Bearer {await accounts.add_key('k', [scope], tenant)}"}
                    assert (await there.browser.get("/api/v1/audit", headers=bearer)).status_code == status

    asyncio.run(look())


def test_programs_read_the_audit_log_page_by_page(tmp_path: Path) -> None:
    async def look() -> None:
        async with shared(tmp_path) as (there, (_, program)):
            for number in range(5):
                for tenant in ("acme", "globex"):
                    await there.auth.accounts.note(Principal.named("ann", tenant), tenant, "did", str(number))
            found, search = list[str](), {"limit": 2}
            while search:
                answer = (await there.browser.get("/api/v1/audit", headers=program, params=search)).json()
                found += [one["target"] for one in answer["entries"] if one["action"] == "did"]
                search = {"limit": 2, "before": answer["next"]} if answer["next"] else {}
            assert found == ["4", "3", "2", "1", "0"]

    asyncio.run(look())
