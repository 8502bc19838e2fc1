"""How often something was full. Whatever a stranger or a caller can make grow has a bound; who meets it counts here.

The bound itself is a named constant where the thing is; SIP counts by itself (`sipgw.sip.endpoint.Endpoint.counts`),
and so do pools of threads (`agent.pool.POOLS`).
"""

from collections import Counter

WHAT = (
    "callbacks", "webhooks", "records", "browser calls", "live listeners of a call", "browsers that look on",
    "changes for a browser", "sessions", "tries to sign in", "idempotency keys", "callers whose calls are counted",
    "Call-IDs", "SIP messages of calls", "capture files", "artifacts", "spans of recordings", "files to delete",
    "addresses that were let in", "strangers that are told of", "nonces", "networks of addresses",
    "keys that were good",
)  # fmt: skip
FULL: Counter[str] = Counter(dict.fromkeys(WHAT, 0))
"""How much of `WHAT` found no place, or took that of the oldest; shown from the start, for a rate begins at 0."""
