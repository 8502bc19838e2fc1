"""Turns away callers whose number is not vouched for as their trunk demands. Sans-IO."""

from sipgw.config.inbound import Answer
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.limits import Declined
from sipgw.sip.identity import Identity


def unwanted(identity: Identity, trunk: TrunkOptions, answer: Answer) -> Declined | None:
    """Why a caller is turned away, with `answer`, by the verdicts that hold of their number; None if they are not.

    Where a verdict is demanded, one that could not be had in time is none.
    """
    found = identity.verdicts
    if not trunk.verdicts or not found.isdisjoint(trunk.verdicts):
        return None
    why = f" ({identity.stir.reason})" if identity.stir is not None and identity.stir.reason else ""
    told, wanted = " and ".join(sorted(found)), " or ".join(trunk.verdicts)
    reason = f"the caller's number is {told}{why}, and must be {wanted} ([[trunks]] verdicts)"
    return Declined(answer, "verdicts", reason)
