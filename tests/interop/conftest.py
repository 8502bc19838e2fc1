"""What the gateways of a test that failed have logged stands in its report."""

import asyncio
from collections.abc import Generator

import pytest

from tests.interop.served import ALIVE

LINES = 60


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """How the scenarios of a file went, those that were asked for: see `tests.interop.company`."""
    from tests.interop.company import run

    names = [item.name for item in request.session.items if item.parent is request.node]
    return asyncio.run(run(tmp_path_factory.mktemp("company"), request.module.__name__, names, request.module.PLACE))  # type: ignore[arg-type]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for gateway in ALIVE:
            report.sections.append((f"log of the gateway on port {gateway.port}", "".join(gateway.log[-LINES:])))
    return report
