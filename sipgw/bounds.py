"""Counters of full tables and queues. Everything that a stranger or a caller can make grow has a bound; reaching it
counts here.

The bound itself is a named constant beside its table; SIP has its own counters (`sipgw.sip.endpoint.Endpoint.counts`),
and so have pools of threads (`agent.pool.POOLS`).
"""

from collections import Counter

WHAT = (
    "callbacks", "webhooks", "records", "browser calls", "calls of visitors", "live listeners of a call",
    "browsers that look on", "changes for a browser", "sessions", "tries to sign in", "idempotency keys",
    "callers whose calls are counted", "Call-IDs", "SIP messages of calls", "capture files", "artifacts",
    "spans of recordings", "files to delete", "addresses that were let in", "strangers that are told of", "nonces",
    "networks of addresses",
    "keys that were good", "signatures of callers", "certificates of signers", "fetches of certificates",
    "mails of an hour", "connections of browsers",
)  # fmt: skip
FULL: Counter[str] = Counter(dict.fromkeys(WHAT, 0))
"""Entries of `WHAT` that were dropped, or that replaced the oldest; shown from the start, because a rate begins at
0."""
