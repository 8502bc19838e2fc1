"""``sipgw init RECIPE`` and ``sipgw serve``, as a person types them, with the carrier, PBX or phone that it is for.

What the file says is served as it stands, but for ports, networks and DNS that lead to the loopback.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.sip.digest import Credentials
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.registration import RegistrationOptions, RegistrationState
from sipgw.sip.uri import Uri
from sipgw.tools.init.answers import RECIPES
from tests.fakes.assemblyai import FakeAssemblyAI
from tests.fakes.carriers.carrier import Call, Carrier
from tests.fakes.carriers.pbx import Pbx
from tests.fakes.carriers.plivo import Plivo
from tests.fakes.carriers.telnyx import Telnyx
from tests.fakes.carriers.twilio import Twilio
from tests.fakes.carriers.twilio_secure import SecureTwilio
from tests.fakes.dns import DnsServer
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.openai import FakeOpenAI
from tests.interop.served import CONFIG, Served, served
from tests.ports import free_ports
from tests.recipes import OFFER
from tests.sip.certificates import Authority
from tests.trunks.test_recipes import OURS, PLIVO, TELNYX, TWILIO, zone
from tests.trunks.test_secure_trunking import edge
from tests.trunks.test_secure_trunking import zone as secure_zone

PROVIDERS = """
[assemblyai]
api_key = "${{AAI}}"
url = "{stt}"
[openai]
api_key = "${{SK}}"
url = "{llm}"
[elevenlabs]
api_key = "${{XI}}"
url = "{tts}"
"""
KEYS = {"AAI": "aai", "SK": "sk", "XI": "xi"}
SOUND = 50
"""Packets after which the caller has heard something."""


def carrier_of(recipe: str, authority: Authority) -> Carrier:
    """Who is at the other end."""
    match recipe:
        case "telnyx":
            return Telnyx()
        case "twilio":
            return Twilio()
        case "twilio-secure":
            return edge(authority, authority)
        case "plivo":
            return Plivo()
        case "freeswitch":
            return Pbx("700", "700", "pbx-password", 407)
        case "3cx":
            return Pbx("700", "x7Yq2", "pbx-password", 407)
    return Pbx("700", "700", "pbx-password")


def told(carrier: Carrier, authority: Authority) -> tuple[dict[str, str], str]:
    """What stands in ``.env``, and what the DNS says."""
    own = {"PUBLIC_ADDRESS": "127.0.0.1", "PLIVO_NETWORK": f"{carrier.host}/32", "ANNA_PASSWORD": "annas-password"}
    match carrier:
        case SecureTwilio():
            certificate = str(authority.issue("127.0.0.1"))
            return TWILIO | own | {"TLS_CERTIFICATE": certificate, "TLS_KEY": certificate}, secure_zone(carrier)
        case Twilio():
            return TWILIO | own, zone("acme.pstn.twilio", carrier)
        case Plivo():
            return PLIVO | own, zone("1234567890.zt.plivo", carrier)
        case Telnyx():
            return TELNYX | own, zone("sip.telnyx", carrier)
    where = {"PBX_ADDRESS": carrier.place, "SIP_DOMAIN": "pbx.test", "SIP_PROXY": carrier.place}
    return own | where | {"PBX_USER": "700", "PBX_AUTH_ID": "x7Yq2", "PBX_PASSWORD": "pbx-password"}, ""


def on_the_loopback(text: str, carrier: Carrier, dns: str, authority: Authority, tls_port: int) -> tuple[str, str]:
    """The recipe's own ``[sip]``, and the rest of it, with what only a test needs."""
    text = re.sub(r"networks = \[[^$]*?\]", f'networks = ["{carrier.host}/32"]', text)
    text = text.replace("[sip.tls]", f'[sip.tls]\nport = {tls_port}\nca = "{authority.ca}"')
    sip = f'dns = ["{dns}"]\n'
    if (own := re.search(r'\[sip\]\n(public_address = "\$\{PUBLIC_ADDRESS\}"\n)', text)) is not None:
        sip += own[1]
        text = text.replace(own[0], "")
    return sip, text


@contextlib.asynccontextmanager
async def serving(folder: Path, recipe: str, carrier: Carrier, authority: Authority, tls: int) -> AsyncIterator[Served]:
    """Write the recipe and serve it."""
    file = folder / "recipe.toml"
    assert CliRunner().invoke(app, ["init", recipe, "-o", str(file)]).exit_code == 0
    variables, records = told(carrier, authority)
    async with (
        DnsServer(records or "nothing 300 IN A 127.0.0.1\n", "com") as dns,
        FakeAssemblyAI([], key="aai") as stt,
        FakeOpenAI([], key="sk") as llm,
        FakeElevenLabs(key="xi") as tts,
    ):
        sip, rest = on_the_loopback(file.read_text(), carrier, dns.address, authority, tls)
        rest += PROVIDERS.format(stt=stt.url, llm=llm.base_url, tts=tts.url)
        template = CONFIG.replace("[sip]\n", "[sip]\n" + sip.replace("{", "{{").replace("}", "}}"))
        template = re.sub(r'(stt|llm|tts) = "\{\1\}"\n', "", template)
        running = served(folder, rest, template=template, variables=variables | KEYS)
        gateway = await asyncio.to_thread(running.__enter__)  # noqa: TID251
        try:
            yield gateway
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)  # noqa: TID251


async def called(recipe: str, carrier: Carrier, gateway: Served, tls: int) -> tuple[int, Call]:
    """A call from there, when the gateway is ready for it."""
    if isinstance(carrier, Twilio | Plivo):
        return await carrier.ring(OURS, ("127.0.0.1", tls if recipe == "twilio-secure" else gateway.port))
    assert isinstance(carrier, Telnyx | Pbx)
    await carrier.until(lambda: carrier.bound, "registered")
    return await carrier.call(carrier.bound, carrier._addr)


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe != "linphone"])
def test_its_other_side_calls_hears_the_agent_and_hangs_up(tmp_path: Path, recipe: str) -> None:
    authority = Authority(tmp_path)
    tls = free_ports()

    async def scenario() -> None:
        async with carrier_of(recipe, authority) as carrier:
            async with serving(tmp_path, recipe, carrier, authority, tls) as gateway:
                status, call = await called(recipe, carrier, gateway, tls)
                assert status == 200
                await carrier.until(lambda: call.rtp.received > SOUND, "sound came")
                assert await carrier.hang_up(call) == 200
                (record,) = await asyncio.to_thread(gateway.calls, 1)  # noqa: TID251
                assert record["ending"] == "caller_hung_up"
            assert not getattr(carrier, "bound", ""), "taken back at shutdown"
            assert carrier.faults == []

    asyncio.run(scenario())


def test_a_phone_with_an_account_registers_and_calls(tmp_path: Path) -> None:
    """The recipe `linphone`; Linphone itself is in `test_accounts.py`."""

    async def scenario() -> None:
        nobody, authority = Carrier(), Authority(tmp_path)
        options = EndpointOptions("127.0.0.1", 0)
        anna = Credentials("anna", "annas-password")
        async with (
            nobody,
            serving(tmp_path, "linphone", nobody, authority, free_ports()) as gateway,
            Endpoint(options, lambda leg: leg.reject(486), lambda *_: None) as phone,
        ):
            here = Uri("sip", host="127.0.0.1", port=gateway.port)
            registration = phone.register(RegistrationOptions(here, "anna", anna))
            while registration.state is RegistrationState.TRYING:
                await asyncio.sleep(0.02)
            assert registration.state is RegistrationState.REGISTERED, registration.reason
            leg, _ = await phone.invite(here, "<sip:anna@127.0.0.1>", OFFER, credentials=anna)
            leg.hangup()
            (record,) = await asyncio.to_thread(gateway.calls, 1)  # noqa: TID251
            assert record["ending"] == "caller_hung_up"

    asyncio.run(scenario())
