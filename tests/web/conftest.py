"""What holds for the tests of the dashboard."""

import pytest
from argon2 import PasswordHasher

from sipgw.web import accounts

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
NOBODY = QUICK.hash("nobody")


@pytest.fixture(autouse=True)
def quick_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash of a password takes 64 MiB and four threads; only those of `test_server.py` are as in a gateway."""
    if request.path.name != "test_server.py":
        monkeypatch.setattr(accounts, "_HASHER", QUICK)
        monkeypatch.setattr(accounts, "_nobody", lambda: NOBODY)
