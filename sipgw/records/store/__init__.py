"""The database of a gateway: SQLite by a path, PostgreSQL by a URL."""

from sipgw.records.store.calls import CallFilter, Page
from sipgw.records.store.engine import StoreError
from sipgw.records.store.store import Store
from sipgw.records.store.tables import Base, CallRecord, EventRecord, Moment, Order, ToolCallRecord, TurnRecord

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
