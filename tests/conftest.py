"""What holds for every test."""

import sys
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from sipgw.sip import transferor
from tests.programs import Watch, lacking, named
from tests.waiting import CHILDREN, patient

# How long an example takes, or a machine that is busy needs to think of one, decides no test.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

WATCH = Watch()
sys.addaudithook(WATCH)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-programs", action="store_true", help="fail where a program of tests/programs.py is missing")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests whose programs are not installed are skipped, with the command that installs them.

    Files with slow tests come first, so that no process is left alone with one at the end (`make test`).
    """
    slow = {item.path for item in items if any(item.iter_markers("slow")) or any(item.iter_markers("programs"))}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if missing := lacking(named(item), packages=True):
            if config.getoption("all_programs") and lacking(named(item), packages=False):
                continue  # it fails in its set-up
            item.add_marker(pytest.mark.skip(reason=missing))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if missing := lacking(named(item), packages=False):
        pytest.fail(f"a program is missing: {missing}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    WATCH.runs(item)
    try:
        return (yield)
    finally:
        WATCH.runs(None)


@pytest.fixture(autouse=True, scope="session")
def patient_with_children() -> Iterator[None]:
    """Processes of ours are waited for as long as a busy machine lets them take."""
    with patient(CHILDREN):
        yield


@pytest.fixture
def quick_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is called answers at once, and a report of that is believed."""
    monkeypatch.setattr(transferor, "ANSWER_TIME", 0.0)


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command that a test ran set the log up on that test's standard error; the next one has its own.

    Tracebacks are plain: a pretty one with all its variables took most of a minute of a test of a fault.
    """
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    yield
    structlog.reset_defaults()
