"""Deletes all data of a number everywhere, except its entries of the do-not-call list."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete

from sipgw.config.config import GatewayConfig
from sipgw.config.errors import OperatorError
from sipgw.config.numbers import spellings
from sipgw.outbound.jobs import Jobs
from sipgw.policy.gate import audit
from sipgw.policy.gate.dnc import DncEntry, OwnList
from sipgw.policy.gate.shared_counts import CountedCall
from sipgw.records.artifacts.retention import Removed, forget, mask
from sipgw.records.artifacts.work import ArtifactWorker
from sipgw.records.store.store import Store


@dataclass(frozen=True)
class ForgetResult:
    """The result of the deletion."""

    removed: Removed
    jobs: int
    """Promised callbacks and rows of campaigns."""
    decisions: int
    """Lines of the gate's audit in which the number was masked."""
    unmasked: str
    """Why the number is not masked in the audit yet; the gateway tries again. Empty if it is masked."""
    kept: tuple[DncEntry, ...]
    """Entries of the do-not-call list. They stay, because without them the number could be called again."""
    elsewhere: int = 0
    """Other gateways that still have to delete files on their disks."""


async def forget_everywhere(
    store: Store, config: GatewayConfig, number: str, now: datetime, erase: Callable[[Sequence[str]], Awaitable[object]]
) -> ForgetResult:
    """Delete all data of somebody who called or was called, except running calls. `erase` removes all spellings of the
    number from tables that only the dashboard knows. Raises the errors of the database, and `OperatorError` for an
    empty number, which would match every empty column.

    Files, and lines of the gate's audit, get a row in the table of artifacts before they are changed: the gateway tries
    a failed change again (`sipgw.records.artifacts.maintenance`).
    """
    if not number.strip():
        raise OperatorError("the number is empty; say which one")
    same, masked = spellings(number), list[int]()
    jobs = await Jobs(store, "").forget(same)
    async with store.write() as session:
        await session.execute(delete(CountedCall).where(CountedCall.number.in_(same)))
    await erase(same)
    in_audit = audit.masker(config.audit_folder)
    worker = ArtifactWorker(store, mask=lambda one: masked.append(in_audit(one)), covers=False)
    unmasked, elsewhere = await mask(store, number, now, worker)
    listed = [await OwnList(store).find(one) for one in same]
    removed = await forget(store, number, now, worker)  # last: it scrubs the file of the database
    kept = tuple(one for one in listed if one is not None)
    return ForgetResult(removed, jobs, sum(masked), unmasked, kept, elsewhere)
