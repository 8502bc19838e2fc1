"""Sign-in by a certified OpenID provider in a process of its own: ``node tests/interop/oidc_provider/provider.mjs``."""

import asyncio
import contextlib
import re
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from agent.authorities import tls
from tests.ports import free_ports
from tests.waiting import HANG
from tests.web.gateway_view import Visit, live_call, visit
from tests.web.oidc_meeting import BACK, URL

pytestmark = pytest.mark.programs("oidc-provider")
FOLDER = Path(__file__).parent / "oidc_provider"


@contextlib.contextmanager
def provider(algorithm: str = "RS256", secret: str = "", groups: tuple[str, ...] = ("phones",)) -> Iterator[str]:
    """Its issuer."""
    port = free_ports()
    command = ["node", str(FOLDER / "provider.mjs"), str(port), BACK, algorithm, secret, *groups]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout
            told = list[str]()
            while not told or told[-1] != "ready\n":
                told.append(process.stdout.readline())
                assert told[-1], f"it ended: {''.join(told)}"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


async def through(browser: httpx.AsyncClient, url: str, *, consents: bool = True) -> str:
    """Go through the pages of the provider as Ann; where it sends the browser in the end."""
    answer = await browser.get(url)
    for _ in range(20):
        if answer.is_redirect:
            url = str(answer.request.url.join(answer.headers["location"]))
            if url.startswith(URL):
                return url
            answer = await browser.get(url)
            continue
        assert answer.status_code == 200, answer.text
        (prompt,) = re.findall(r'name="prompt" value="(\w+)"', answer.text)
        if prompt == "consent" and not consents:
            answer = await browser.get(f"{answer.request.url}/abort")
        else:
            form = {"prompt": prompt, "login": "ann", "password": "any"}
            answer = await browser.post(str(answer.request.url), data=form)
    raise AssertionError("it goes round in circles")


def meet(
    folder: Path, issuer: str, look: Callable[[Visit, httpx.AsyncClient], Awaitable[None]], secret: str = "",
    tenants: str = "",
) -> None:  # fmt: skip
    more = 'client_secret = "${ANOTHER}"\n' if secret else ""
    toml = f'[web.oidc]\nissuer = "{issuer}"\nclient_id = "dashboard"\nurl = "{URL}"\noperators = ["phones"]\n{more}'

    async def run() -> None:
        async with visit(folder, toml + tenants) as there, httpx.AsyncClient(timeout=HANG, verify=tls()) as outside:
            await look(there, outside)

    asyncio.run(run())


async def sent(there: Visit) -> str:
    begun = await there.browser.get("/sign-in/oidc", params={"next": "/trunks"})
    assert begun.status_code == 303, begun.text
    return str(begun.headers["location"])


@pytest.mark.parametrize(("algorithm", "secret"), [("RS256", ""), ("ES256", "battery staple")])
def test_a_person_signs_in_with_the_role_of_their_group(tmp_path: Path, algorithm: str, secret: str) -> None:
    async def look(there: Visit, outside: httpx.AsyncClient) -> None:
        back = await through(outside, await sent(there))
        assert (await there.browser.get(back)).status_code == 200
        page = await there.browser.get("/trunks")
        assert page.status_code == 200 and "oidc:ann" in page.text
        assert (await there.browser.get("/audit")).status_code == 403, "an operator is no admin"
        assert (await there.browser.get(back)).status_code == 400, "an answer counts once"
        again = await through(outside, await sent(there))  # the provider knows her by now
        assert (await there.browser.get(again)).status_code == 200

    with provider(algorithm, secret) as issuer:
        meet(tmp_path, issuer, look, secret)


def test_who_is_in_no_group_or_does_not_consent_does_not_get_in(tmp_path: Path) -> None:
    async def look(there: Visit, outside: httpx.AsyncClient) -> None:
        for consents in (False, True):
            answer = await there.browser.get(await through(outside, await sent(there), consents=consents))
            assert answer.status_code == (403 if consents else 401), answer.text
            assert (await there.browser.get("/trunks")).status_code != 200

    with provider(groups=("sales",)) as issuer:
        meet(tmp_path, issuer, look)


def test_a_person_of_a_tenant_sees_its_calls_alone(tmp_path: Path) -> None:
    async def look(there: Visit, outside: httpx.AsyncClient) -> None:
        for number, tenant in enumerate(("acme", "globex", "")):
            there.gateway.begin(live_call(number, f"caller-{tenant or 'nobody'}", tenant=tenant))
        assert (await there.browser.get(await through(outside, await sent(there)))).status_code == 200
        live = (await there.browser.get("/live")).text
        assert [one for one in ("acme", "globex", "nobody") if f"caller-{one}" in live] == ["acme"]
        assert (await there.browser.get("/trunks")).status_code == 404

    tenants = '[[tenants]]\nname = "acme"\nagents = []\ngroups = { acme-desk = "operator" }\n'
    with provider(groups=("acme-desk", "unknown")) as issuer:
        meet(tmp_path, issuer, look, tenants=tenants)


def test_a_person_of_two_tenants_gets_into_none(tmp_path: Path) -> None:
    async def look(there: Visit, outside: httpx.AsyncClient) -> None:
        assert (await there.browser.get(await through(outside, await sent(there)))).status_code == 403
        assert (await there.browser.get("/live")).status_code == 303

    tenants = '[[tenants]]\nname = "acme"\nagents = []\ngroups = { acme-desk = "operator" }\n'
    with provider(groups=("acme-desk", "phones")) as issuer:
        meet(tmp_path, issuer, look, tenants=tenants)
