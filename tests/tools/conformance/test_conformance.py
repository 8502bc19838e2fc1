"""Every provider of ours passes the conformance kit."""

import pytest

from agent.providers.provider import Provider
from sipgw.config.registry import every
from sipgw.tools.conformance.checks import CHECKS, Trial
from tests.fakes.servers import VARIANTS, server_of

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
