"""What holds for every test."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command that a test ran set the log up on that test's standard error; the next one has its own."""
    yield
    structlog.reset_defaults()
