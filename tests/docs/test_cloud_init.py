"""The file for cloud-init: cloud-init accepts it, nft its firewall, the gateway its configuration."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from sipgw.config.config import GatewayConfig, parse
from tests.waiting import HANG

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker" / "cloud-init" / "user-data.yaml"
DATA = yaml.safe_load(FILE.read_text())
FILES = {one["path"]: one for one in DATA["write_files"]}
FIREWALL = FILES["/etc/nftables.conf"]["content"]
CONFIG = parse(FILES["/etc/sipgw/sipgw.toml"]["content"], "sipgw.toml", {})
PAGE = (ROOT / "docs" / "guides" / "cloud-init.md").read_text()


def judged(path: Path) -> subprocess.CompletedProcess[str]:
    command = ["cloud-init", "schema", "--config-file", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)


@pytest.mark.programs("cloud-init")
def test_cloud_init_accepts_it() -> None:
    assert FILE.read_text().startswith("#cloud-config\n"), "or it is a script"
    done = judged(FILE)
    assert done.returncode == 0 and "deprecat" not in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.programs("cloud-init")
def test_cloud_init_refuses_a_wrong_one(tmp_path: Path) -> None:
    path = tmp_path / "user-data.yaml"
    path.write_text(FILE.read_text().replace("package_update: true", "package_update: 7"))
    assert judged(path).returncode != 0


@pytest.mark.programs("nftables", "unshare")
def test_nft_accepts_the_firewall(tmp_path: Path) -> None:
    path = tmp_path / "nftables.conf"
    for text, accepted in ((FIREWALL, True), (FIREWALL.replace("notrack", "no track", 1), False)):
        path.write_text(text)
        command = ["unshare", "--net", "--map-root-user", "nft", "--check", "--file", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
        assert (done.returncode == 0) is accepted, done.stderr


def test_the_firewall_opens_what_the_gateway_listens_on_and_no_more() -> None:
    first, last = CONFIG.media.port_range
    (trunk,) = CONFIG.trunks
    rules = re.findall(r"^ +(.*dport .*) accept$", FIREWALL, re.MULTILINE)
    (network,) = map(str, trunk.networks)
    assert rules == [
        f"ip saddr {network} udp dport {CONFIG.sip.port}",
        f"ip saddr {network} tcp dport {CONFIG.sip.port}",
        f"udp dport {first}-{last}",
        "tcp dport 22",
    ]
    assert "type filter hook input priority filter; policy drop;" in FIREWALL
    assert CONFIG.web == GatewayConfig().web, "on loopback"


def test_the_page_opens_the_same() -> None:
    first, last = CONFIG.media.port_range
    opened = re.findall(r"(?:--port |udp:|tcp:|--destination-port-ranges )([\d-]+)", PAGE)
    assert set(opened) == {"22", str(CONFIG.sip.port), f"{first}-{last}"}
    assert f"UDP {first}–{last}" in PAGE


def test_ssh_is_open_for_one_address_in_each_cloud() -> None:
    commands = re.sub(r"\\\n *", "", PAGE).splitlines()
    ssh = [one for one in commands if re.search(r"--port 22 |tcp:22 |--destination-port-ranges 22 ", one)]
    assert len(ssh) == 3 and all("YOUR-OWN-ADDRESS" in one for one in ssh)


def test_what_the_page_replaces_is_there() -> None:
    replaced = dict(re.findall(r"-e 's(?:/|#)([\d./]+)(?:/|#)([A-Z-]+)(?:/|#)'", PAGE))
    assert set(replaced.values()) == {"YOUR-ADDRESS", "NETWORK-OF-YOUR-CARRIER"}
    assert CONFIG.sip.public_address in replaced
    assert set(map(str, CONFIG.trunks[0].networks)) <= set(replaced)
    assert all(FILE.read_text().count(old) >= 2 for old in replaced), "in the comment and where it counts"


def test_the_unit_is_the_one_of_the_repository() -> None:
    unit = (ROOT / "docker" / "sipgw.service").read_text()
    assert FILES["/etc/systemd/system/sipgw.service"]["content"] == unit[unit.index("[Unit]") :]
    told = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    assert told["EnvironmentFile"].lstrip("-") in FILES and told["ExecStart"].split()[-1] in FILES
    (user,) = [one for one in DATA["users"] if one != "default"]
    assert user["name"] == told["User"] and user["homedir"] == told["WorkingDirectory"]
    assert any(f"venv {told['ExecStart'].partition('/bin/')[0]}" in line for line in DATA["runcmd"])


def test_it_holds_no_secret() -> None:
    assert FILES["/etc/sipgw/env"]["permissions"] == "0600"
    assert not re.search(r"^\w+=.+", FILES["/etc/sipgw/env"]["content"], re.MULTILINE)
    assert "password" not in FILE.read_text()


def test_a_step_that_fails_ends_the_installation(tmp_path: Path) -> None:
    """cloud-init runs the lines as one script; without the package, no service is started."""
    told = tmp_path / "told"
    for name, status in (("systemctl", 0), ("python3", 0), ("pip", 1)):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {told}\nexit {status}\n')
        (tmp_path / name).chmod(0o755)
    lines = "\n".join(DATA["runcmd"]).replace("/opt/sipgw/bin/pip", "pip")
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", lines], env=path, timeout=HANG, check=False)
    assert done.returncode == 1 and told.read_text().splitlines()[-1].startswith("pip install")
