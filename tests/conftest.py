"""What holds for every test."""

from collections.abc import Iterator

import pytest
import structlog

from sipgw.sip import transferor


@pytest.fixture
def quick_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is called answers at once, and a report of that is believed."""
    monkeypatch.setattr(transferor, "ANSWER_TIME", 0.0)


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command that a test ran set the log up on that test's standard error; the next one has its own."""
    yield
    structlog.reset_defaults()
