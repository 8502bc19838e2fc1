"""People of a tenant who sign in by an identity provider: what they see, and whom nobody lets in."""

import asyncio
from pathlib import Path

import pytest

from sipgw.config.config import AgentConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.config.oidc import OidcOptions
from sipgw.config.tenants import TenantOptions
from sipgw.web.group_access import Access, GroupAccess
from sipgw.web.security import COOKIE
from tests.web.gateway_view import Visit, live_call, visit
from tests.web.oidc_meeting import URL, Meeting, meeting, run

TENANTS = """
[[tenants]]
name = "acme"
agents = ["sales-acme"]
groups = { acme-all = "viewer", acme-desk = "operator" }
[[tenants]]
name = "globex"
agents = ["sales-globex"]
groups = { globex-it = "admin" }
"""

WEB = """
[web]
names = ["x.example"]
[web.oidc]
issuer = "https://y.example"
client_id = "x"
url = "https://x.example"
"""


def answer(there: Visit) -> None:
    """A call of each holder goes on."""
    there.gateway.others = {"sales-acme": AgentConfig(), "sales-globex": AgentConfig()}
    for number, tenant in enumerate(("acme", "globex", "")):
        there.gateway.begin(live_call(number, f"caller-{tenant or 'nobody'}", tenant=tenant))


@pytest.mark.parametrize(
    ("groups", "sees", "acts"),
    [
        (["acme-all"], ["acme"], 403),
        (["acme-all", "acme-desk", "unknown"], ["acme"], 200),
        (["globex-it"], ["globex"], 200),
        (["phones"], ["acme", "globex", "nobody"], 200),
    ],
)
def test_a_group_of_a_tenant_lets_in_to_its_calls_alone(
    tmp_path: Path, groups: list[str], sees: list[str], acts: int
) -> None:
    async def check(met: Meeting) -> None:
        answer(met.there)
        met.fake.person["groups"] = groups
        assert (await met.sign_in("/live")).status_code == 200
        live = await met.there.browser.get("/live")
        assert [one for one in ("acme", "globex", "nobody") if f"caller-{one}" in live.text] == sees
        own = next(call for call, one in met.there.gateway.calls.items() if (one.info.tenant or "nobody") == sees[0])
        ended = await met.there.browser.post(
            f"/api/v1/calls/{own}/say", json={"text": "Hello."}, headers=await met.there.token("/live")
        )
        assert ended.status_code == acts
        assert (await met.there.browser.get("/configuration")).status_code == (403 if sees[-1] == "nobody" else 404)

    run(tmp_path, check, TENANTS)


@pytest.mark.parametrize(
    "groups",
    [["acme-all", "globex-it"], ["acme-desk", "phones"], ["it", "globex-it"],
     ["acme-all", *map(str, range(5000)), "globex-it"]],
    ids=lambda groups: f"{len(groups)} groups",
)  # fmt: skip
def test_a_member_of_two_companies_gets_into_none(tmp_path: Path, groups: list[str]) -> None:
    async def check(met: Meeting) -> None:
        met.fake.person["groups"] = groups
        refused = await met.sign_in("/live")
        assert refused.status_code == 403 and "more than one company" in refused.text
        assert COOKIE not in met.there.browser.cookies
        assert [one for _, one in await met.audit()] == ["was not let in"]

    run(tmp_path, check, TENANTS)


@pytest.mark.parametrize(
    ("config", "sees"),
    [
        (TENANTS, ["acme"]),
        (TENANTS.replace("acme-all", "acme-some"), []),
        (TENANTS.replace("acme-all", "x").replace("globex-it", "acme-all"), ["globex"]),
        (TENANTS.replace("globex-it", "guests"), []),
        ('viewers = ["guests"]' + TENANTS, []),
    ],
)
def test_after_a_restart_a_session_reaches_the_tenant_that_its_group_has_then(
    tmp_path: Path, config: str, sees: list[str]
) -> None:
    async def look() -> None:
        async with meeting(tmp_path, TENANTS) as met:
            met.fake.person["groups"] = ["acme-all", "guests"]
            await met.sign_in()
            cookie = met.there.browser.cookies[COOKIE]
            toml = f'[web.oidc]\nissuer = "{met.fake.url}"\nclient_id = "dashboard"\nurl = "{URL}"\n'
            async with visit(tmp_path, toml + config) as there:
                answer(there)
                there.browser.cookies.set(COOKIE, cookie)
                live = await there.browser.get("/live")
                assert live.status_code == (200 if sees else 303)
                assert [one for one in ("acme", "globex", "nobody") if f"caller-{one}" in live.text] == sees

    asyncio.run(look())


def test_the_highest_role_at_the_only_place_counts() -> None:
    acme = TenantOptions("acme", (), groups={"all": "viewer", "desk": "operator"})
    globex = TenantOptions("globex", (), groups={"board": "admin"})
    access = GroupAccess(OidcOptions(admins=("it",)), (acme, globex))
    for groups, found in (
        ({"all", "desk"}, Access("operator", "acme")), ({"board"}, Access("admin", "globex")),
        ({"it"}, Access("admin", "")), ({"it", "all"}, None), ({"all", "board"}, None), ({"IT", ""}, None),
    ):  # fmt: skip
        assert access.of(frozenset(groups)) == found


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('admins = ["acme-all"]', "the group 'acme-all' is in [web.oidc] and in [[tenants]] 'acme'"),
        (TENANTS.replace("globex-it", "acme-desk"), "is in [[tenants]] 'acme' and in [[tenants]] 'globex'"),
        (TENANTS.replace("globex-it", '""'), "[[tenants]] 'globex': a group has no name"),
    ],
)
def test_a_group_has_one_place(more: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(WEB + more + ("" if more.startswith("\n") else TENANTS), "t", {})
    assert says in str(caught.value)


def test_groups_of_a_tenant_are_enough() -> None:
    assert parse(WEB + TENANTS, "t", {}).tenants[0].groups == {"acme-all": "viewer", "acme-desk": "operator"}
