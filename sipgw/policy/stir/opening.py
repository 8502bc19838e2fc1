"""The signer and the verifier of a gateway, if it signs or verifies: only then is `cryptography` imported (8 MiB)."""

import contextlib
from typing import TYPE_CHECKING

from agent.rules.rule_error import RuleError
from sipgw.cluster.cluster import Cluster
from sipgw.config.config import GatewayConfig

if TYPE_CHECKING:
    from sipgw.policy.stir.signer import StirSigner
    from sipgw.policy.stir.verifier import StirVerifier


def signer_of(config: GatewayConfig) -> "StirSigner | None":
    """Signer for the numbers of outgoing calls; None without a key. Raises `ConfigError`."""
    if not config.stir.key:
        return None
    from sipgw.policy.stir.signer import StirSigner

    try:
        return StirSigner(config.stir)
    except RuleError as error:
        raise config.explained(error) from None


async def verifier_of(
    config: GatewayConfig, cluster: Cluster | None, stack: contextlib.AsyncExitStack
) -> "StirVerifier | None":
    """Verifier for the numbers of callers, as long as `stack` is open; None without roots. Raises `ConfigError`."""
    if not config.stir.roots:
        return None
    from sipgw.policy.stir.verifier import StirVerifier

    try:
        verifier = StirVerifier(config.stir, cluster=cluster)
    except RuleError as error:
        raise config.explained(error) from None
    return await stack.enter_async_context(verifier)
