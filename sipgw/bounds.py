"""Names of the counters of full tables and queues. Everything that a stranger or a caller can make grow has a bound;
reaching it counts in `FULL`.

The bound itself is a named constant beside its table; an `agent.bounds.BoundedTable` counts by itself. SIP has its own
counters (`sipgw.sip.endpoint.Endpoint.counts`), and so have pools of threads (`agent.pool.POOLS`).
"""

import contextlib
from collections import Counter
from collections.abc import Iterator

from agent.bounds import FULL, BoundedTable

__all__ = ["FULL", "WHAT", "BoundedTable", "NoPlace", "Places"]

WHAT = (
    "callbacks", "callbacks of tenants", "campaigns of tenants", "webhooks", "records", "browser calls",
    "calls of visitors", "calls of tenants", "numbers not to call",
    "live listeners of a call", "browsers that look on", "changes for a browser", "sessions", "tries to sign in",
    "idempotency keys", "callers whose calls are counted", "Call-IDs", "SIP messages of calls", "capture files",
    "artifacts", "spans of recordings", "files to delete", "addresses that were let in", "strangers that are told of",
    "nonces", "networks of addresses",
    "keys that were good", "signatures of callers", "certificates of signers", "fetches of certificates",
    "mails of an hour", "connections of browsers", "packets of calls", "bundles of calls", "identities of calls",
    "questions about documents", "ended sessions", "sign-outs that wait", "addresses that have signed in",
    "refused calls", "prices", "results of tools", "secrets of a call", "pieces of speech",
    "words for a browser", "sound for a listener",
    "sound and keys of a call", "news of a call",
    "messages of a brain", "answers of MCP servers", "searches for words", "dry runs",
    "bundles of tenants", "websockets of operators", "listeners of recordings",
)  # fmt: skip
FULL.update(dict.fromkeys(WHAT, 0))  # shown from the start, because a rate begins at 0


class NoPlace(Exception):  # noqa: N818  a state, not a fault
    """All places are taken, or all places that one tenant may take."""


class Places:
    """Places for things that go on at the same time. The operator may take all places, and each tenant half of them."""

    def __init__(self, counter: str, most: int) -> None:
        """`counter`, one of `WHAT`, counts the requests that found no place; `most` is the number of places."""
        self._counter = counter
        self._most = most
        self._taken = Counter[str]()

    def check(self, tenant: str) -> None:
        """Raises `NoPlace` if `tenant` (empty: the operator) would get no place now."""
        share = max(1, self._most // 2) if tenant else self._most
        if self._taken.total() >= self._most or self._taken[tenant] >= share:
            FULL[self._counter] += 1
            raise NoPlace

    @contextlib.contextmanager
    def held(self, tenant: str) -> Iterator[None]:
        """Hold a place for the block. Raises `NoPlace`."""
        self.check(tenant)
        self._taken[tenant] += 1
        try:
            yield
        finally:
            self._taken[tenant] -= 1
            if not self._taken[tenant]:
                del self._taken[tenant]
