"""What docs/sip-transport.md says is so: its configuration, its numbers, its files."""

import re
from pathlib import Path

from sipgw.config.config import parse
from sipgw.sip import connection, failover, flow, health, streams
from sipgw.sip.parse import MAX_BODY, MAX_HEAD

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "sip-transport.md").read_text()


def test_its_configuration_is_valid() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    options = parse(re.sub(r"(?m)^# ", "", block), "docs", {}).sip.tls
    assert (options.verify, options.clients, options.port) == ("authority", "verified", 5061)


def test_its_limits_are_those_of_the_code() -> None:
    limits = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", TEXT, re.MULTILINE))
    assert (
        limits["connections in all, but at most half of the files that the process may open"]
        == f"{streams.MAX_STREAMS:,}"
    )
    assert limits["connections of or to one address (IPv6: one /64)"] == str(streams.MAX_OF_ONE_SOURCE)
    assert limits["TLS handshake"] == f"{connection.HANDSHAKE_LIMIT:.0f} s"
    kept = next(value for name, value in limits.items() if name.startswith("connections that are kept"))
    assert kept == f"1 of {streams.KEPT_FREE}"
    (first,) = (value for name, value in limits.items() if name.startswith("from the beginning of a connection"))
    assert {first, limits["from the first byte of a message to its end"]} == {f"{connection.PARTIAL_LIMIT:.0f} s"}
    assert limits["idle connection that no call, phone or trunk needs"] == f"{connection.IDLE_LIMIT:.0f} s"
    assert limits["sending of remaining data on a closed connection"] == f"{connection.CLOSE_LIMIT:.0f} s"
    assert limits["head, body of a message"] == f"{MAX_HEAD // 1024} KiB each" == f"{MAX_BODY // 1024} KiB each"
    assert limits["unusable messages in a row"] == str(connection.MAX_FAULTS)
    turn = next(value for name, value in limits.items() if "before others have a turn" in name)
    assert turn == str(connection.MAX_AT_ONCE)
    assert limits["bytes a slow reader may leave unread"] == f"{connection.UNSENT_LIMIT // 1024} KiB"
    plain = " ".join(TEXT.split())
    for sentence in (
        f"not answered at all within {failover.PATIENCE:.0f} s",
        f"over {failover.LARGEST_DATAGRAM:,} bytes",
        f"up to {health.AVOIDED[1] / 60:.0f} minutes",
        f"every {flow.KEEPALIVE[0]:.0f} to {flow.KEEPALIVE[1]:.0f} s",
    ):
        assert sentence in plain
    assert flow.KEEPALIVE == connection.KEEPALIVE
    assert set(re.findall(r"INVITE|REGISTER|OPTIONS|BYE", plain)) == failover.IMPATIENT


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
    named = set(re.findall(r"`([a-z0-9_]+\.py)`", table))
    code = {name for name in named if not name.startswith("test_")}
    for name in code:
        assert (ROOT / "sipgw" / "sip" / name).is_file(), name
    for name in named - code:
        assert (ROOT / "tests" / "sip" / name).is_file(), name
    unnamed = {path.name for path in (ROOT / "sipgw" / "sip").glob("*.py")} - code
    assert unnamed <= {"__init__.py", "events.py", "environment.py"}, unnamed
    assert {path.name for path in (ROOT / "tests" / "sip").glob("test_*.py")} <= named
    for target in re.findall(r"\]\((?!#)([^)]+)\)", table):
        assert (ROOT / "sipgw" / "sip" / target).exists(), target


PROMISED = (
    "2782 3261 3262 3263 3264 3311 3323 3325 3326 3515 3581 3665 3891 3966 4028 4320 4475 4488 5359 5389 5626 5630 "
    "5806 5922 6026 6086 7044 7616 8224 8305 8760 8839"
)


def test_every_rfc_that_is_promised_has_a_row_with_code_and_test() -> None:
    table = (ROOT / "sipgw" / "sip" / "README.md").read_text().partition("## Call flows")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines()
            if line.startswith("| ") and "`" in line]  # fmt: skip
    assert len(rows) > 35
    for row in rows:
        assert len(row) == 4, row
        assert ".py" in row[2], row
        assert re.search(r"test_\w+\.py", row[3]), row
    told = set(re.findall(r"\b\d{4}\b", " ".join(f"{row[0]} {row[3]}" for row in rows)))
    assert set(PROMISED.split()) <= told, set(PROMISED.split()) - told
