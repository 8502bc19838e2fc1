"""The database of a gateway: SQLite by a path, PostgreSQL by a URL."""

from sipgw.store.calls import CallFilter, Page
from sipgw.store.engine import StoreError
from sipgw.store.store import Store
from sipgw.store.tables import Base, CallRecord, EventRecord, Moment, Order, ToolCallRecord, TurnRecord

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
    "ToolCallRecord",
    "TurnRecord",
]
