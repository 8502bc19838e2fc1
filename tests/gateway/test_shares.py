"""What each worker of ``sipgw serve --workers`` has for itself, what they share, and the Kamailio before them."""

from pathlib import Path

import pytest

from sipgw.cluster import edge as edge_module
from sipgw.cluster.edge import EdgeError, EdgePlan
from sipgw.config.config import AgentConfig, GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.gateway.shares import check, edge, share

URLS = {"DATABASE_URL": "postgresql://sipgw@127.0.0.1/sipgw", "REDIS_URL": "redis://127.0.0.1:6379/0"}
CLUSTER = """
[store]
url = "${DATABASE_URL}"
[cluster]
redis = "${REDIS_URL}"
name = "box"
"""
CARRIER = '[[trunks]]\nname = "carrier"\nmode = "peer"\nnetworks = ["198.51.100.0/24", "203.0.113.9"]\n'


def configured(more: str = CLUSTER) -> GatewayConfig:
    return parse(more, "sipgw.toml", URLS)


def shares(config: GatewayConfig, workers: int = 3) -> list[GatewayConfig]:
    return [share(config, {}, number, workers)[0] for number in range(1, workers + 1)]


def test_no_two_workers_have_the_same_port_file_or_name() -> None:
    all_of = shares(configured())
    assert [one.sip.port for one in all_of] == [5070, 5072, 5074]
    assert [one.sip.tls.port for one in all_of] == [5071, 5073, 5075]
    assert [one.web.port for one in all_of] == [8080, 8081, 8082]
    assert [one.cluster.name for one in all_of] == ["box-1", "box-2", "box-3"]
    for files in ([one.store.spool_folder for one in all_of], [one.store.handover for one in all_of],
                  [one.audit_folder for one in all_of]):  # fmt: skip
        assert len(set(files)) == 3
    ports = [set(range(first, last + 1)) for first, last in (one.media.port_range for one in all_of)]
    assert len(set.union(*ports)) == sum(map(len, ports)), "no port of sound is in two ranges"


def test_commands_find_the_first_worker_where_one_gateway_would_be() -> None:
    config = configured()
    first, _ = share(config, {}, 1, 2)
    assert (first.store.path, first.web.port) == (config.store.path, config.web.port)


def test_audits_of_agents_are_those_of_their_worker() -> None:
    config = configured(f'{CLUSTER}[gate]\naudit = "audit"\n')
    _, agents = share(config, {"sales": AgentConfig(gate=config.gate)}, 2, 2)
    assert agents["sales"].gate.audit == "audit.worker2"


def test_kamailio_lets_in_the_trunks_and_is_let_in_by_the_workers() -> None:
    config = configured(CLUSTER + CARRIER)
    assert edge(config, 2).networks == ("198.51.100.0/24", "203.0.113.9")
    assert edge(config, 2).gateways == (("127.0.0.1", 5070), ("127.0.0.1", 5072))
    (worker, _) = share(config, {}, 1, 2)
    assert worker.sip.edge == "127.0.0.1"
    assert [trunk.name for trunk in worker.trunks] == ["carrier", "edge"], "Kamailio asks by OPTIONS"


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        ("", r'\[store\] url = "\$\{DATABASE_URL\}", .* \[cluster\] redis = "\$\{REDIS_URL\}"'),
        ('[store]\nurl = "${DATABASE_URL}"\n', r"\[cluster\] redis"),
        (CLUSTER + '[[accounts]]\nuser = "phone"\npassword = "${REDIS_URL}"\n', "accounts"),
        (CLUSTER + "[sip]\nport = 0\n", r"set \[sip\] port"),
        (CLUSTER + '[sip]\nhost = "::"\n', "IPv4"),
        (CLUSTER + '[sip]\nhost = "127.0.0.1"\npublic_address = "198.51.100.7"\n', r'host = "0\.0\.0\.0"'),
        (CLUSTER + "[media]\nport_range = [20000, 20003]\nprocesses = 1\n", "2 pairs of ports, for 3"),
        (CLUSTER + "[sip]\nport = 65530\n", "port: must be from 0 to 65535"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_what_to_do(more: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice):
        check(configured(more), 3)


def test_who_has_no_kamailio_is_told_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_module, "PLACES", str(tmp_path))
    with pytest.raises(EdgeError, match=r"apt-get install -y kamailio$"):
        edge(configured(), 2).command(tmp_path)


def test_kamailio_listens_everywhere_or_behind_nat_as_its_configuration_says(tmp_path: Path) -> None:
    plan = edge(configured(), 2)
    assert "\nport=5060\n" in plan.write(tmp_path).read_text()
    behind = plan._replace(port=5062, listening=("10.0.0.5",), public_address="198.51.100.7")
    text = behind.write(tmp_path).read_text()
    for line in ("listen=udp:10.0.0.5:5062 advertise 198.51.100.7:5062", "listen=tcp:127.0.0.1:5062"):
        assert f"\n{line}\n" in text
    assert "/etc/kamailio/kamailio-address.list" not in text and str(tmp_path) in text
    assert (tmp_path / "dispatcher.list").read_text().splitlines()[:2] == [
        "1 sip:127.0.0.1:5070 8 0", "2 sip:127.0.0.1:5070 0 0"
    ]  # fmt: skip


def test_its_certificate_is_that_of_the_gateway(tmp_path: Path) -> None:
    plan = EdgePlan(5060, (), "", (("127.0.0.1", 5070),), ("10.0.0.0/8",), 5061, "/tls/our.pem", "/tls/our.pem")
    text = plan.write(tmp_path).read_text()
    assert text.count('"/tls/our.pem"') == 2 and "\ntls_port_no=5061\n" in text
