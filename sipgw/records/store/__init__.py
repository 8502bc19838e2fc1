"""The database of a gateway: SQLite by a path, PostgreSQL by a URL.

Names are imported when they are first used: a command that opens no database loads no library for one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sipgw.records.store.calls import CallFilter, RecordPage
    from sipgw.records.store.engine import StoreError
    from sipgw.records.store.store import Store
    from sipgw.records.store.tables import Base, CallRecord, EventRecord, Moment, Order, ToolCallRecord, TurnRecord

_WHERE = {
    "CallFilter": "calls",
    "RecordPage": "calls",
    "StoreError": "engine",
    "Store": "store",
}
"""The module of each name; of all others `sipgw.records.store.tables`."""

__all__ = [
    "Base",
    "CallFilter",
    "CallRecord",
    "EventRecord",
    "Moment",
    "Order",
    "RecordPage",
    "Store",
    "StoreError",
    "ToolCallRecord",
    "TurnRecord",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE.get(name, 'tables')}"), name)
