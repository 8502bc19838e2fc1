"""The signer and the verifier of a gateway, if it signs or verifies: only then is `cryptography` imported (8 MiB)."""

import contextlib
from typing import TYPE_CHECKING

from sipgw.cluster.cluster import Cluster
from sipgw.config.stir import StirOptions

if TYPE_CHECKING:
    from sipgw.policy.stir.signer import StirSigner
    from sipgw.policy.stir.verifier import StirVerifier


def signer_of(options: StirOptions) -> "StirSigner | None":
    """Signer for the numbers of outgoing calls; None without a key."""
    if not options.key:
        return None
    from sipgw.policy.stir.signer import StirSigner

    return StirSigner(options)


async def verifier_of(
    options: StirOptions, cluster: Cluster | None, stack: contextlib.AsyncExitStack
) -> "StirVerifier | None":
    """Verifier for the numbers of callers, as long as `stack` is open; None without roots."""
    if not options.roots:
        return None
    from sipgw.policy.stir.verifier import StirVerifier

    return await stack.enter_async_context(StirVerifier(options, cluster=cluster))
