"""The identity provider of the dashboard, examined by the doctor and named by ``sipgw check``."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.oidc import OidcOptions
from sipgw.tools.doctor import signing_in
from sipgw.tools.doctor.finding import Finding
from tests.fakes.http import Exchange
from tests.fakes.identity_provider import IdentityProvider, text
from tests.tools.doctor.broken import on_loop

BACK = "http://127.0.0.1:8080/sign-in/oidc/callback"


async def _symmetric(exchange: Exchange) -> None:
    await exchange.answer(200, {"keys": [{"kty": "oct", "kid": "key 0", "k": text(b"x" * 32)}]})


async def _broken(exchange: Exchange) -> None:
    exchange.reset()


@pytest.mark.parametrize(
    ("document", "respond", "id_"),
    [
        ({}, {}, "oidc.ok"),
        ({"issuer": "https://login.example.com"}, {}, "oidc.issuer"),
        ({"code_challenge_methods_supported": ["plain"]}, {}, "oidc.unsuited"),
        ({}, {"/keys": _symmetric}, "oidc.keys"),
        ({}, {"/keys": _broken}, "oidc.unreachable"),
        ({}, {"/.well-known/openid-configuration": _broken}, "oidc.unreachable"),
    ],
)
@on_loop
async def test_what_is_wrong_with_the_provider_is_said(document: Any, respond: Any, id_: str) -> None:
    async with IdentityProvider(BACK) as fake:
        fake.lies.document, fake.lies.respond = document, respond
        options = OidcOptions(fake.url, "dashboard", "battery staple", "http://127.0.0.1:8080", admins=("it",))
        found = await signing_in.examine(options)
        assert isinstance(found, Finding)
        assert found.id == id_
        assert fake.url in found.evidence


def test_check_says_who_signs_in_and_what_the_provider_must_know(tmp_path: Path) -> None:
    file = tmp_path / "sipgw.toml"
    file.write_text(
        '[web.oidc]\nissuer = "http://127.0.0.1:9/office"\nclient_id = "x"\nurl = "http://127.0.0.1:8080"\n'
        'admins = ["it"]\nviewers = ["it", "all"]\n'
    )
    said = CliRunner().invoke(app, ["check", "--config", str(file)])
    assert "people sign in by http://127.0.0.1:9/office: 2 groups have a role" in said.output
    assert BACK in said.output
