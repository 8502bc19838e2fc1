"""Declines calls of callers whose number is not verified as their trunk requires. Sans-IO."""

from sipgw.config.inbound import Answer
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.limits import Declined
from sipgw.sip.identity import Identity


def unwanted(identity: Identity, trunk: TrunkOptions, answer: Answer) -> Declined | None:
    """Why a call is declined, with `answer`, by the verdicts on the caller's number; None if it is accepted.

    If the trunk requires a verdict, a check that has not ended in time counts as ``unverified``.
    """
    found = identity.verdicts
    if not trunk.verdicts or not found.isdisjoint(trunk.verdicts):
        return None
    why = f" ({identity.stir.reason})" if identity.stir is not None and identity.stir.reason else ""
    told, wanted = " and ".join(sorted(found)), " or ".join(trunk.verdicts)
    reason = f"the caller's number is {told}{why}, and must be {wanted} ([[trunks]] verdicts)"
    return Declined(answer, "verdicts", reason)
