"""What docs/sip-transport.md says is so: its configuration, its numbers, its files."""

import re
from pathlib import Path

from sipgw.config import parse
from sipgw.sip import flow, health, hunt, streams
from sipgw.sip.parse import MAX_BODY, MAX_HEAD

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "sip-transport.md").read_text()


def test_its_configuration_is_valid() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    options = parse(re.sub(r"(?m)^# ", "", block), "docs", {}).sip.tls
    assert (options.verify, options.clients, options.port) == ("authority", "verified", 5061)


def test_its_limits_are_those_of_the_code() -> None:
    limits = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", TEXT, re.MULTILINE))
    connections = "connections opened to us (at most half of the process's open files), of one source (IPv6: one /64)"
    assert limits[connections] == f"{streams.MAX_STREAMS:,}, {streams.MAX_OF_ONE_SOURCE}"
    assert limits["TLS handshake"] == f"{streams.HANDSHAKE_LIMIT:.0f} s"
    assert limits["first message, and each begun message, complete within"] == f"{streams.PARTIAL_LIMIT:.0f} s"
    assert limits["idle connection"] == f"{streams.IDLE_LIMIT:.0f} s"
    assert limits["head, body of a message"] == f"{MAX_HEAD // 1024} KiB each" == f"{MAX_BODY // 1024} KiB each"
    assert limits["unusable messages in a row"] == str(streams.MAX_FAULTS)
    assert limits["bytes a slow reader may leave unread"] == f"{streams.UNSENT_LIMIT // 1024} KiB"
    plain = " ".join(TEXT.split())
    for sentence in (
        f"not answered at all within {hunt.PATIENCE:.0f} s",
        f"over {hunt.LARGEST_DATAGRAM:,} bytes",
        f"up to {health.AVOIDED[1] / 60:.0f} minutes",
        f"every {flow.KEEPALIVE[0]:.0f} to {flow.KEEPALIVE[1]:.0f} s",
    ):
        assert sentence in plain
    assert flow.KEEPALIVE == streams.KEEPALIVE
    assert set(re.findall(r"INVITE|REGISTER|OPTIONS|BYE", plain)) == hunt.IMPATIENT


def test_its_files_exist() -> None:
    code = re.findall(r"`([a-z_]+\.py)`", TEXT)
    tests = re.findall(r"`((?:\.\./interop/)?test_[a-z0-9_]+)`", TEXT)
    assert len(code) > 10
    assert len(tests) > 8
    for name in code:
        assert (ROOT / "sipgw" / "sip" / name).is_file(), name
    for name in tests:
        assert (ROOT / "tests" / "sip" / f"{name}.py").resolve().is_file(), name


def test_the_table_of_paragraphs_names_every_file_and_only_files_that_exist() -> None:
    table = (ROOT / "sipgw" / "sip" / "README.md").read_text()
    named = set(re.findall(r"`([a-z_]+\.py)`", table))
    code = {name for name in named if not name.startswith("test_")}
    for name in code:
        assert (ROOT / "sipgw" / "sip" / name).is_file(), name
    for name in named - code:
        assert (ROOT / "tests" / "sip" / name).is_file(), name
    unnamed = {path.name for path in (ROOT / "sipgw" / "sip").glob("*.py")} - code
    assert unnamed <= {"__init__.py", "events.py", "surroundings.py"}, unnamed
    for target in re.findall(r"\]\(([^)]+)\)", table):
        assert (ROOT / "sipgw" / "sip" / target).exists(), target
