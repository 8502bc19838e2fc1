"""A company whose PBX is Asterisk by `docs/guides/asterisk.md`, to the letter; its agent is a gateway by the recipe."""

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.turn_taking.options import TurnOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.config.people import PersonOptions
from tests.cloud import cloud
from tests.docs.test_pbx_guides import blocks
from tests.fakes.openai import Reply
from tests.interop.asterisk import MODULES, Asterisk, asterisk
from tests.interop.company import Company
from tests.interop.desks import Desks, until
from tests.ports import free_ports
from tests.recipes import written
from tests.sip.certificates import Authority

HERE = Path(__file__).parent
PASSWORD = "pbx-password"
MORE_MODULES = (
    "res_pjsip_authenticator_digest", "res_pjsip_endpoint_identifier_user", "res_pjsip_registrar", "res_pjsip_refer",
    "res_pjsip_rfc3326", "res_pjsip_diversion", "res_pjsip_dtmf_info", "res_pjsip_header_funcs", "res_pjsip_nat",
    "res_pjsip_logger", "res_pjsip_outbound_authenticator_digest", "res_crypto", "res_srtp", "res_parking",
    "res_pjsip_messaging", "res_pjsip_mwi", "res_pjsip_mwi_body_generator", "res_clioriginate", "res_adsi", "res_smdi",
    "app_voicemail", "app_confbridge", "app_page", "app_stack",
    "app_transfer", "app_mixmonitor", "app_chanspy",
    "func_volume", "app_echo", "app_directed_pickup", "app_dial", "app_sendtext", "bridge_holding", "codec_alaw",
    "codec_a_mu", "codec_gsm", "codec_g722", "codec_resample", "format_gsm", "format_pcm", "func_callerid",
    "func_channel", "func_logic", "func_strings", "func_timeout",
)  # fmt: skip
HASHED = "hashed"
VARIANTS = {
    "direct": {"direct_media": "yes"},
    "music": {"direct_media": "yes", "moh_passthrough": "no"},
    "timed": {"timers": "always", "timers_sess_expires": "90"},
    "modern": {"use_avpf": "yes", "ice_support": "yes", "rtcp_mux": "yes", "100rel": "required"},
    "hopeful": {"media_encryption": "sdes", "media_encryption_optimistic": "yes"},
    "infos": {"dtmf_mode": "info", "mailboxes": "248@default"},
    "tones": {"dtmf_mode": "inband"},
    "stream": {},
    "ice": {"ice_support": "yes"},
    HASHED: {},
    "moving": {"ice_support": "yes", "direct_media": "yes"},
    "updating": {"direct_media": "yes", "direct_media_method": "update", "connected_line_method": "update"},
}
"""Further agents at the same PBX, by what their endpoint has otherwise than in the guide."""
SECURE = "secure"
"""The agent whose calls are encrypted, as the guide has it."""
PHONES = range(200, 260)
OWN = {221: "call_group = 1", 222: "pickup_group = 1"} | dict.fromkeys((244, 245, 257, 258, 259), "direct_media = yes")
"""What some of them have of their own."""
PEER = "127.0.0.6"
"""Where a gateway is that is a trunk of its own."""
GREETING = "Hello caller."
VOICEMAIL = "Your order has come in, so please call us back before Friday noon."
"""Message that the agent leaves: four seconds."""


def variant(text: str, name: str, options: Mapping[str, str]) -> str:
    """The guide's blocks for another extension: `name` in place of ``agent``, and other options of its endpoint."""
    text = re.sub(r"\bagent\b", name, text)
    for key, value in options.items():
        text = re.sub(rf"^{key} = .*\n", "", text, flags=re.MULTILINE)
        text = text.replace("type = endpoint\n", f"type = endpoint\n{key} = {value}\n", 1)
    # Its password is asked for by SHA-256 alone (RFC 8760).
    return (
        text.replace("type = auth\n", "type = auth\nsupported_algorithms_uas = SHA-256\n") if name == HASHED else text
    )


def pjsip(certificate: Path) -> str:
    """``pjsip.conf``: the transport of every Asterisk, what the guide says, and the phones."""
    agent, _, transport, encryption, trunk, *_ = blocks("asterisk.md", "ini")
    trunk = trunk.replace("10.0.0.9:5060", f"{PEER}:{{gateway}}").replace("10.0.0.9", PEER)
    agent = agent.replace("password = ...", f"password = {PASSWORD}")
    secure = dict(re.findall(r"(\w+) = (.*)", encryption))
    for option in ("cert_file", "priv_key_file"):
        transport = re.sub(
            rf"^{option} = .*$", f"{option} = {{here}}/{certificate.name}", transport, flags=re.MULTILINE
        )
    transport = transport.replace("0.0.0.0:5061", "{host}:{tls}")
    own = (HERE / "pbx" / "pjsip.conf").read_text()
    phones = "".join(
        f"[{number}](phone)\naors = {number}\n{OWN.get(number, '')}\n"
        f"[{number}]\ntype = aor\ncontact = sip:{number}@{{host}}:{{phones}}\n"
        for number in PHONES
    )
    agents = [variant(agent, name, options) for name, options in (VARIANTS | {SECURE: secure}).items()]
    return "\n".join((own, transport, agent, *agents, trunk, phones))


def extensions() -> str:
    """``extensions.conf``: the guide's line in the context of the phones, and the rest of the company."""
    _, line, *_, lines, phones = blocks("asterisk.md", "ini")
    text = (HERE / "pbx" / "extensions.conf").read_text().replace(";guide\n", line + lines + phones)
    return text.replace("NAME05", "NAME04=J\udcfcrgen\nNAME05")  # as a table in Latin-1 has it


def files(certificate: Path) -> dict[str, str]:
    """The configuration of the PBX."""
    named = {path.name: path.read_text() for path in (HERE / "pbx").glob("*.conf")}
    return named | {"pjsip.conf": pjsip(certificate), "extensions.conf": extensions()}


@dataclass
class Office(Company):
    """The company, with its PBX."""

    pbx: Asterisk
    gateway: int
    """The port of a gateway that is a trunk of its own."""


def configured(
    config: GatewayConfig, recipe: GatewayConfig, tls: int, ca: Path, branch: int, host: str, there: str
) -> GatewayConfig:
    """The recipe's trunk and turns, the other agents of the same PBX, and what the agent may do. `there` is `host` as
    it stands in a URI."""
    (trunk,) = recipe.trunks
    ours = {"stream": {"registrar": f"{trunk.registrar};transport=tcp"}, "tones": {"inband_keys": True}}
    others = [replace(trunk, name=name, user=name, **ours.get(name, {})) for name in VARIANTS]  # type: ignore[arg-type]
    secure = replace(trunk, name=SECURE, user=SECURE, registrar=f"{there}:{tls};transport=tls", srtp="required")
    people = (
        PersonOptions("sales", "210", trunk="asterisk"),
        PersonOptions("helper", "231", trunk="asterisk"),
        PersonOptions("manager", "211", trunk="asterisk", mode="attended"),
        PersonOptions("branch", f"sip:900@{there}:{branch}", mode="attended"),
        PersonOptions("deputy", "233", trunk="asterisk", mode="attended"),
        PersonOptions("boss", "212", trunk="asterisk", mode="attended"),
        PersonOptions("parking", "760", trunk="asterisk", mode="refer"),
        PersonOptions("brief parking", "780", trunk="asterisk", mode="refer"),
        PersonOptions("night desk", "224", trunk="asterisk"),
        PersonOptions("porter", "226", trunk="asterisk"),
        PersonOptions("office", "229", trunk="asterisk"),
    )
    agent = replace(
        config.agent, greeting=GREETING, outbound_greeting=GREETING, answering_machines="message",
        voicemail=VOICEMAIL,
    )  # fmt: skip
    turns: TurnOptions = recipe.turns
    return replace(
        config, trunks=(trunk, *others, secure), turns=turns, people=people, agent=agent,
        gate=GateOptions(extensions=("2??", "6??", "7??", "8??"), per_number_per_day=99),
        sip=replace(config.sip, host=host, tls=replace(config.sip.tls, ca=str(ca))),
        media=replace(config.media, bind_host=host),
    )  # fmt: skip


@contextlib.asynccontextmanager
async def office(
    folder: Path,
    branch: int = 0,
    phones: int = 0,
    change: Callable[[GatewayConfig], GatewayConfig] = lambda config: config,
    host: str = "127.0.0.1",
    **changed: Any,
) -> AsyncIterator[Office]:
    """Run all of it; the agents are registered. `branch`: the port of another PBX; `phones`: that of the phones.
    `host`: the address of them all. `changed`: options of the trunk that are not those of the recipe; `change` makes
    the rest what the test needs."""
    authority = Authority(folder)
    certificate = authority.issue(host, file="pbx.pem")
    port, tls, gateway = [free_ports() for _ in range(3)]
    phones = phones or free_ports()
    there = f"[{host}]" if ":" in host else host
    variables = {"PBX_ADDRESS": f"{there}:{port}", "PBX_USER": "agent", "PBX_PASSWORD": PASSWORD}
    recipe = written(folder, "asterisk", variables, everything=False)
    (trunk,) = recipe.trunks
    recipe = replace(recipe, trunks=(replace(trunk, **changed),))
    replies = [Reply(text=["I am still there."])]
    modules = (*MODULES, *MORE_MODULES)
    kept = {"pbx.pem": certificate.read_text()}
    ports = {"tls": tls, "phones": phones, "gateway": gateway, "branch": branch or port}
    with asterisk(port, {}, files(certificate) | kept, modules, host=there, **ports) as pbx:
        async with (
            Desks(phones, port, host=host) as desks,
            cloud(
                folder,
                [],
                replies,
                change=lambda config: change(
                    configured(config, recipe, tls, authority.ca, ports["branch"], host, there)
                ),
            ) as world,
        ):
            await until(lambda: {trunk.registration for trunk in world.gateway.status()} == {"registered"})
            try:
                yield Office(world, desks, "asterisk", folder, pbx, gateway)
            finally:
                (folder / "pbx.log").write_text(pbx.log)
