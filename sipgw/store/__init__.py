"""The database of a gateway: SQLite by a path, PostgreSQL by a URL. What is asked of here is imported when it is asked.

`sipgw.store.options` alone loads no library of databases.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sipgw.store.calls import CallFilter, Page
    from sipgw.store.engine import StoreError
    from sipgw.store.options import StoreOptions
    from sipgw.store.store import Store
    from sipgw.store.tables import Base, CallRecord, EventRecord, Moment, Order, ToolCallRecord, TurnRecord

_WHERE = {
    "CallFilter": "calls",
    "Page": "calls",
    "StoreError": "engine",
    "StoreOptions": "options",
    "Store": "store",
}
"""The module of each name; of all others `sipgw.store.tables`."""

__all__ = [
    "Base",
    "CallFilter",
    "CallRecord",
    "EventRecord",
    "Moment",
    "Order",
    "Page",
    "Store",
    "StoreError",
    "StoreOptions",
    "ToolCallRecord",
    "TurnRecord",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE.get(name, 'tables')}"), name)
