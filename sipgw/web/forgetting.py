"""Deletes all data of a number everywhere, except its entries of the do-not-call list."""

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
    """The result of the deletion."""

    removed: Removed
    jobs: int
    """Promised callbacks and rows of campaigns."""
    decisions: int
    """Lines of the gate's audit in which the number was masked."""
    kept: tuple[Entry, ...]
    """Entries of the do-not-call list; without them the number could be called again."""
    elsewhere: int = 0
    """Other gateways that still have to delete files on their disks."""


async def forget_everywhere(store: Store, config: GatewayConfig, number: str, now: datetime) -> ForgetResult:
    """Delete all data of somebody who called or was called, except running calls. Raises the errors of the database,
    and `audit.AuditError`.
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
