"""Names of the counters of full tables and queues. Everything that a stranger or a caller can make grow has a bound;
reaching it counts in `FULL`.

The bound itself is a named constant beside its table; an `agent.bounds.BoundedTable` counts by itself. SIP has its own
counters (`sipgw.sip.endpoint.Endpoint.counts`), and so have pools of threads (`agent.pool.POOLS`).
"""

from agent.bounds import FULL, BoundedTable

__all__ = ["FULL", "WHAT", "BoundedTable"]

WHAT = (
    "callbacks", "callbacks of tenants", "campaigns of tenants", "webhooks", "records", "browser calls",
    "calls of visitors", "calls of tenants",
    "live listeners of a call", "browsers that look on", "changes for a browser", "sessions", "tries to sign in",
    "idempotency keys", "callers whose calls are counted", "Call-IDs", "SIP messages of calls", "capture files",
    "artifacts", "spans of recordings", "files to delete", "addresses that were let in", "strangers that are told of",
    "nonces", "networks of addresses",
    "keys that were good", "signatures of callers", "certificates of signers", "fetches of certificates",
    "mails of an hour", "connections of browsers", "packets of calls", "bundles of calls", "identities of calls",
    "questions about documents", "ended sessions", "sign-outs that wait", "addresses that have signed in",
    "refused calls", "prices", "results of tools", "secrets of a call", "pieces of speech",
    "words for a browser", "sound for a listener",
    "sound and keys of a call",
    "messages of a brain",
)  # fmt: skip
FULL.update(dict.fromkeys(WHAT, 0))  # shown from the start, because a rate begins at 0
