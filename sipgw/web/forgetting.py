"""Forgetting somebody: all that is kept of a number, wherever it is, but for the promise not to call it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete

from sipgw.config.config import GatewayConfig
from sipgw.config.numbers import spellings
from sipgw.outbound.jobs import Jobs
from sipgw.policy.gate import audit
from sipgw.policy.gate.dnc import Entry, OwnList
from sipgw.policy.gate.shared_counts import CountedCall
from sipgw.records.artifacts.retention import Removed, forget, mask_elsewhere
from sipgw.records.store import Store
from sipgw.web.accounts import Accounts


@dataclass(frozen=True)
class ForgetResult:
    """What became of it."""

    removed: Removed
    jobs: int
    """Promised callbacks and rows of campaigns."""
    decisions: int
    """Lines of the gate's audit that do not tell the number any more."""
    kept: tuple[Entry, ...]
    """Entries of the do-not-call list; without them they could be called again."""
    elsewhere: int = 0
    """Other gateways that have yet to delete what is on their disks."""


async def forget_everywhere(store: Store, config: GatewayConfig, number: str, now: datetime) -> ForgetResult:
    """Delete all of somebody who called or was called. Calls that go on are left.

    Raises what the database raises, and `audit.AuditError`.
    """
    same = spellings(number)
    jobs = await Jobs(store, "").forget(same)
    async with store.write() as session:
        await session.execute(delete(CountedCall).where(CountedCall.number.in_(same)))
    await Accounts(store).forget(same)
    masked = audit.mask(config.audit_folder, same)
    listed = [await OwnList(store).find(one) for one in same]
    elsewhere = await mask_elsewhere(store, number, now)
    removed = await forget(store, number, now)  # the last, as it scrubs the file
    return ForgetResult(removed, jobs, masked, tuple(one for one in listed if one is not None), elsewhere)
