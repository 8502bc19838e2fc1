"""Whatever shows a configuration shows no secret: the page, the command, the support bundle and the log of a reload."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sipgw.agents.agents import Agents
from sipgw.config.agent_files import parse_agent
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.config.masking import masked, masked_table, secrets_of, too_short
from sipgw.config.options import Option, options_of
from sipgw.config.public_text import MASK, password_of, public, public_message
from sipgw.config.show import as_toml, effective
from sipgw.gateway.reload import changes
from sipgw.records.captures.support import bundle
from sipgw.web.configuration import tables
from tests.waiting import HANG

DIGEST = f"@sha256:{'0f' * 32}"
TEXT = """
[agent]
business = "${SHOP}"
brain = "${BRAIN}"
brain_key = "${BRAIN_KEY}"
brain_parameters = {pin = "pin-hush"}
[openai]
url = "https://hush.example:8443@openai.example/hush/v1"
extra = {user = "extra-hush"}
[[people]]
name = "anna"
to = "sip:anna:sip-hush@10.0.0.9"
[[mcp]]
name = "crm"
tools = ["*"]
command = ["npx", "server", "--api-key", "${CRM}"]
[[mcp]]
name = "shop"
tools = ["*"]
url = "https://joe:pass-hush@shop.example/path-hush?key=query-hush"
headers = ["Authorization: Bearer ${SHOP_TOKEN}"]
[[webhooks]]
name = "chat"
url = "${HOOK}"
secret = "${SIGNING}"
[web]
password = "${WEB}"
"""
VARIABLES = {
    "SHOP": "Hush Harbour", "BRAIN": "wss://brain.example/brain-hush", "BRAIN_KEY": "brain-key-hush",
    "CRM": "crm-hush", "SHOP_TOKEN": "token-hush", "HOOK": "https://hooks.example/services/T0/hook-hush",
    "SIGNING": "signing-hush-hush", "WEB": "web-hush", "OPENAI_API_KEY": "sk-hush",
}  # fmt: skip
CONFIG = parse(TEXT, "sipgw.toml", VARIABLES)


def page(_: Path) -> str:
    return str(tables(CONFIG))


def command(folder: Path) -> str:
    (folder / "sipgw.toml").write_text(TEXT)
    return as_toml(effective(folder / "sipgw.toml", "", VARIABLES))


def support(_: Path) -> str:
    with zipfile.ZipFile(io.BytesIO(bundle({"sipgw": CONFIG}, []))) as file:
        return file.read("config/sipgw.json").decode()


def reload(_: Path) -> str:
    found = [*changes(GatewayConfig(), CONFIG, {}, {}), *changes(CONFIG, GatewayConfig(), {}, {})]
    return "\n".join(map(str, found))


@pytest.mark.parametrize("shown", [page, command, support, reload])
def test_no_secret_is_shown(shown: Callable[[Path], str], tmp_path: Path) -> None:
    text = shown(tmp_path)
    assert "hush" not in text.lower()
    for told in ("${SHOP}", "${BRAIN}", "https://openai.example/***"):
        assert told in text


def test_a_reference_is_shown_as_it_is_written_and_a_hidden_text_as_stars() -> None:
    shown = masked_table(CONFIG, CONFIG.written)
    assert shown["webhooks"][0]["url"] == "${HOOK}"
    assert shown["mcp"][0]["command"] == [MASK] * 4
    assert shown["mcp"][1]["headers"] == [MASK]
    assert shown["people"][0]["to"] == "sip:anna:***@10.0.0.9"
    assert shown["openai"]["api_key"] == MASK and shown["openai"]["extra"] == {"user": MASK}
    assert shown["web"]["password"] == MASK and shown["store"]["url"] == ""


def test_a_default_is_no_secret() -> None:
    usual = options_of(type(GatewayConfig().table("assemblyai")))["url"].default
    assert masked_table(GatewayConfig(), {})["assemblyai"]["url"] == usual == "wss://streaming.assemblyai.com/v3/ws"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com/"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/***"),
        ("https://ann:hu/sh@example.com/", "https://***"),
        ("https://ann:hush", "https://***"),
        ("//ann:hush@example.com/", "//example.com/***"),
        ("https://${HOST}:${PORT}/services/hush", "https://${HOST}:${PORT}/***"),
        ("${BASE}/services/hush", "${BASE}/***"),
        ("file:///srv/hush", "file://***"),
        ("at https://a.example/hush or sip:ann:hush@b.example", "at https://a.example/*** or sip:ann:***@b.example"),
        ("joe:hu@sh@pbx.example", "joe:***@pbx.example"),
        (f"run crm.example/mcp:1.2{DIGEST}", f"run crm.example/mcp:1.2{DIGEST}"),
        (f"joe:hush@crm.example/mcp:1.2{DIGEST}", f"joe:***@crm.example/mcp:1.2{DIGEST}"),
        ("sip:a;b:hush@b.example", "sip:a;b:***@b.example"),
        ("sip:anna@[2001:db8::1]:5060", "sip:anna@[2001:db8::1]:5060"),
        ("Ann <ann@a.example>, mailto:ann@a.example", "Ann <ann@a.example>, mailto:ann@a.example"),
        ("見てhttps://a.example/hush", "見てhttps://a.example/***"),
        ("Say ${NAME} at 10:30, and/or wait.", "Say ${NAME} at 10:30, and/or wait."),
    ],
)  # fmt: skip
def test_of_a_url_the_host_alone_is_shown(text: str, shown: str) -> None:
    assert masked(Option(str), text, text) == shown


@pytest.mark.parametrize("text", ["!:", "a:", "a-", "x ' \"", "。あ"])
def test_a_long_text_is_shown_at_once(text: str) -> None:
    began = time.process_time()
    whole = text * (200_000 // len(text))
    assert public(whole) == public_message(whole) == whole
    assert password_of(whole) == ""
    assert time.process_time() - began < HANG


def test_an_address_of_e_mail_behind_its_name_is_no_secret() -> None:
    prompt = "Tell callers our address.\nE-Mail:service@shop.example or Mail:office@shop.example."
    config = parse(f'[agent]\nprompt = """{prompt}"""\n', "sipgw.toml", {})
    assert secrets_of(config) == set(), "these words would be masked in every log and every bundle of a call"


def test_an_agent_that_takes_the_place_of_a_list_shows_what_its_own_file_says() -> None:
    own = '[[mcp]]\nname = "own"\ntools = ["*"]\nurl = "https://own.example"\n'
    agent = parse_agent(own, Path("agents/sales.toml"), CONFIG, VARIABLES)
    (shown,) = masked_table(agent, agent.written)["mcp"]
    assert shown["url"] == "https://own.example" and shown["headers"] == []
    assert masked_table(agent, agent.written)["agent"]["business"] == "${SHOP}"


def test_what_nothing_may_repeat_is_all_that_is_secret_also_in_urls_and_by_references() -> None:
    found = secrets_of(CONFIG)
    for secret in (
        "sip-hush", "brain-hush", "brain-key-hush", "crm-hush", "pass-hush", "query-hush", "Bearer token-hush",
        "hook-hush", "signing-hush-hush", "web-hush", "sk-hush",
    ):  # fmt: skip
        assert secret in found
    assert not found & {"npx", "server", "Hush Harbour", ""}, "words that are no secrets stay in logs and records"


def test_the_support_bundle_has_no_secret_of_an_argument_in_its_log() -> None:
    log = "mcp server ended: npx server --api-key crm-hush"
    with zipfile.ZipFile(io.BytesIO(bundle({"sipgw": CONFIG}, [], log=log))) as file:
        assert file.read("log.txt").decode() == "mcp server ended: npx server --api-key ***"
        assert json.loads(file.read("config/sipgw.json"))["mcp"][0]["command"] == [MASK] * 4


def test_a_password_that_is_part_of_many_words_is_not_masked_in_texts_but_named() -> None:
    text = '[openai]\napi_key = "${KEY}"\n[mail]\nhost = "mail.example"\nsender = "a@b.example"\npassword = "${MAIL}"\n'
    text += '[[mcp]]\nname = "crm"\ntools = ["*"]\ncommand = ["serve"]\nenv = ["DEBUG=${DEBUG}"]\n'
    config = parse(text, "sipgw.toml", {"KEY": "x", "MAIL": "long enough", "DEBUG": "1"})
    assert secrets_of(config) == {"long enough"}
    assert too_short(config) == {"KEY"}, "a variable of a program may be short"
    with zipfile.ZipFile(io.BytesIO(bundle({"sipgw": config}, [], log="1 extra line"))) as file:
        assert file.read("log.txt").decode() == "1 extra line"
        assert json.loads(file.read("config/sipgw.json"))["openai"]["api_key"] == MASK
    (note,) = (one for one in Agents(config, {}).notes if "characters" in one)
    assert note == "KEY has fewer than 4 characters, so logs and reports may show it: take a longer one"


WRONG = [
    '[sip]\npublic_address = "http://joe:pass-hush@pbx.example/a?key=query-hush"',
    '[sip]\npublic_address = "joe:pass-hush@pbx.example"',
    '[sip]\nstun_server = "joe:pass-hush@pbx.example"',
    '[web]\nproxies = ["//joe:pass-hush@pbx.example"]',
    '[agent]\nllm = "https://joe:pass-hush@pbx.example/path-hush"',
    '[[trunks]]\nname = "a"\nmode = "peer"\nnetworks = ["joe:pass-hush@10.0.0.1"]',
    '[[trunks]]\nname = "a"\nmode = "register"\nregistrar = "pbx.example"\nuser = "joe:pass-hush"',
    '[[trunks]]\nname = "a"\nmode = "register"\nregistrar = "pbx.example"\nuser = "joe"\nauth_user = "joe:pass-hush"',
    '[[trunks]]\nname = "a"\nmode = "register"\nregistrar = "sip:joe:pass-hush@pbx.example"\nuser = "joe"',
    '[[trunks]]\nname = "a"\nmode = "peer"\nnetworks = ["10.0.0.1"]\ntransfer_to = "joe:pass-hush@pbx.example"',
    '[[trunks]]\nname = "a"\nmode = "joe:pass-hush@pbx.example"',
    '[[accounts]]\nuser = "joe:pass-hush"\npassword = "${LONG}"',
    '[embed]\norigins = ["https://joe:pass-hush@shop.example"]',
]


@pytest.mark.parametrize("text", WRONG)
def test_a_password_in_a_value_is_neither_shown_nor_repeated_by_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "sipgw.toml").write_text(text)
    variables = {"LONG": "long enough"}
    assert "hush" not in as_toml(effective(tmp_path / "sipgw.toml", "", variables))
    with pytest.raises(ConfigError) as told:
        Agents(parse(text, "sipgw.toml", variables), {})
    assert "hush" not in str(told.value)
    assert "sipgw.toml:" in str(told.value)
