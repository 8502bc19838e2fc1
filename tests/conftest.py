"""What holds for every test."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from sipgw.sip import transferor
from tests.waiting import CHILDREN, patient

# How long an example takes, or a machine that is busy needs to think of one, decides no test.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


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
