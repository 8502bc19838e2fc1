"""What the pages on law, hardening, sizing, ARM and words say is so: configurations, defaults, figures, commands."""

import math
import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from sipgw.config.config import GatewayConfig, parse
from sipgw.config.errors import ConfigError
from sipgw.web.accounts import KEPT

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
VARIABLES = {"CARRIER_USER": "gateway", "CARRIER_PASSWORD": "secret of the carrier"}
DEFAULT = GatewayConfig()


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text()


def toml(name: str) -> list[str]:
    found = re.findall(r"^```toml\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL)
    assert found, name
    return found


@pytest.mark.parametrize("name", ["gdpr", "hipaa", "hardening", "sizing"])
def test_configurations_are_valid(name: str) -> None:
    for block in toml(name):
        parse(re.sub(r"(?m)^(certificate|key) = .*$", "", block), name, VARIABLES)


def test_the_configuration_for_hipaa_encrypts_and_keeps_little() -> None:
    config = parse(toml("hipaa")[0], "hipaa", VARIABLES)
    (trunk,) = config.trunks
    assert trunk.srtp == "required" and "transport=tls" in trunk.registrar
    assert config.web.session_idle == 15 * 60
    assert not config.recording.folder and config.capture.rtp == "headers"
    kept = config.retention
    assert 0 < kept.calls <= 30 and 0 < kept.transcripts <= 30


def test_the_configuration_for_gdpr_deletes_and_asks() -> None:
    config = parse(toml("gdpr")[0], "gdpr", {})
    assert all(getattr(config.retention, one.name) > 0 for one in fields(config.retention))
    assert config.recording.consent == "key" and config.agent.notice


def test_the_defaults_that_the_pages_tell() -> None:
    assert all(getattr(DEFAULT.retention, one.name) == 0 for one in fields(DEFAULT.retention))
    assert "the default keeps for ever" in page("gdpr")
    assert not DEFAULT.recording.folder
    assert f"{DEFAULT.capture.seconds:.0f} s of packets" in page("gdpr") and DEFAULT.capture.rtp == "recent"
    assert f"{DEFAULT.web.session_idle / 3600:.0f} hours by default" in page("hipaa")
    assert f"the latest {KEPT:,} lines" in page("hipaa")
    assert f"up to {DEFAULT.capture.megabytes} MiB" in page("sizing")
    first, last = DEFAULT.media.port_range
    assert f"{first}–{last} is enough for {(last - first) // 2 // 1000},000 calls" in page("sizing")


def test_a_secret_in_the_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="secrets stand in the environment"):
        parse('[[accounts]]\nuser = "anna"\npassword = "a password in the file"\n', "x", {})


@pytest.mark.programs("systemd")
def test_systemd_says_so() -> None:
    (command, told) = re.findall(r"`(systemd-analyze security [^`]+)` of Debian 12 says ([\d.]+)", page("hardening"))[0]
    done = subprocess.run([*command.split(), "--no-pager"], cwd=ROOT, capture_output=True, text=True, check=False)
    (level,) = re.findall(r"exposure level for sipgw.service: ([\d.]+)", done.stdout)
    assert abs(float(level) - float(told)) < 0.5, "versions of systemd weigh a little differently"


def test_sizes_are_those_that_were_measured() -> None:
    sizing, performance = page("sizing"), page("performance")
    assert "| 280 on an Intel Xeon" in performance and "| no speech services | 280 |" in sizing
    assert "| 160 on the Intel Xeon" in performance and "| cloud providers, over TLS | 160 |" in sizing
    ramps = ("$ sipgw load --media-only", 308, 280), ("$ python -m tests.bench.cascade", 160, 160)
    for command, calls, held in ramps:
        ramp = performance.partition(command)[2].partition("```")[0]
        (row,) = re.findall(rf"^ +{calls} .*$", ramp, re.MULTILINE)
        assert f"{row.split()[10]} ms per call-second" in sizing and f"| {row.split()[12]} KiB |" in sizing
        assert f"\n{held} calls held" in ramp
    described = (ROOT / "sipgw" / "config" / "records.py").read_text()
    for figure in ("58 MB", "14 MB"):
        assert figure in described and figure in sizing
    for figure in ("191 MB", "672 MB"):
        assert figure in page("installation") and figure in sizing


def test_the_arithmetic_of_sizing() -> None:
    hour, minutes, average, more, together = map(
        int,
        re.search(
            r"Example: (\d+) calls in an hour of (\d+) minutes each are (\d+) .* is about (\d+)\. So plan for (\d+)",
            page("sizing"),
        ).groups(),  # type: ignore[union-attr]
    )
    assert average == hour * minutes / 60 and more == round(3 * math.sqrt(average)) and together == average + more
    heads = 12 + 8 + 20 + 18
    assert f"| {50 * (160 + heads) * 8 / 1000:.0f} kbit/s in each direction" in page("sizing")


def test_what_is_said_of_arm_is_what_the_workflow_and_the_index_say() -> None:
    text = page("arm")
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    build = next(step for step in release["jobs"]["images"]["steps"] if step.get("id") == "build")
    platforms = build["with"]["platforms"].split(",")
    assert all(f"`{one}`" in text for one in platforms) and len(platforms) == 2
    assert any("arm" in runner for runner in release["jobs"]["try"]["strategy"]["matrix"]["runner"])
    (alpine,) = re.findall(r"^\| Alpine ARM.*$", page("installation"), re.MULTILINE)
    missing = [name for cell in alpine.split("|")[4:6] for name in cell.split(",")]
    assert len(missing) == 4 and "four packages would have to be compiled" in text
    assert "**No part of it has been run on ARM yet.**" in text and "| Linux on ARM | nothing" in page("installation")


def test_the_words_of_the_glossary_are_in_order_and_used() -> None:
    others = [path for path in [ROOT / "README.md", *DOCS.rglob("*.md")] if path.name != "glossary.md"]
    text = " ".join(path.read_text() for path in others).casefold()
    seen: set[str] = set()
    for section in page("glossary").split("\n## ")[1:]:
        words = [row.split(" | ")[0][2:] for row in section.splitlines() if row.startswith("| ")][1:]
        assert len(words) >= 3
        assert [word.casefold() for word in words] == sorted(word.casefold() for word in words)
        assert not seen & set(words)
        seen |= set(words)
    unused = [word for word in seen if not any(one.casefold() in text for one in re.split(r", ", word))]
    assert not unused
