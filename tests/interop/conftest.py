"""What the gateways of a test that failed have logged stands in its report."""

from collections.abc import Generator

import pytest

from tests.interop.served import ALIVE

LINES = 60


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for gateway in ALIVE:
            report.sections.append((f"log of the gateway on port {gateway.port}", "".join(gateway.log[-LINES:])))
    return report
