"""Every provider of ours passes the conformance kit."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.providers.provider import Provider
from sipgw.config.registry import every
from sipgw.tools.conformance.checks import CHECKS
from sipgw.tools.conformance.trials import Trial
from tests.fakes.servers import VARIANTS, server_of
from tests.waiting import HANG

SERVICES = [record for record in every() if not record.embedded]
TRIED = [(record, variant) for record in SERVICES for variant in ("", *VARIANTS.get(record.section, ()))]


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    ("record", "variant"), TRIED, ids=[f"{one.part} {one.name} {more}".strip() for one, more in TRIED]
)
def test_our_providers_conform(record: Provider, variant: str, check: str) -> None:
    server = server_of(record, variant)
    assert server is not None
    CHECKS[check](Trial(record, server))


@pytest.mark.slow
def test_the_command_tries_every_protocol_of_a_provider() -> None:
    names = [f"--sipgw-provider={record.part}:{record.name}" for record in SERVICES if record.section in VARIANTS]
    command = (sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *names)
    ran = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=HANG, check=True
    )
    for record, variant in TRIED:
        if record.section in VARIANTS:
            for check in CHECKS:
                name = f"{record.part}:{record.name} {variant} {check}".replace("  ", " ")
                assert f"::{name}\n" in ran.stdout or f"<CheckItem {name}>" in ran.stdout, name
