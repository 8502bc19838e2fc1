"""Finds the call that a name in a path means. Evidence is read by the key of the found call, never by its name: a later
call may have the identity of an earlier call, and another tenant.
"""

from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from fastapi.routing import APIRoute
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.routing import Match
from starlette.types import Scope

from sipgw.calls.session import CallSession
from sipgw.events import CallKey
from sipgw.records.store.tables import CallRecord
from sipgw.web.gateway_view import GatewayView


@dataclass(frozen=True)
class FoundCall:
    """A call, or an INVITE that was refused."""

    name: str
    key: CallKey | None = None
    """The key of the call; None for an INVITE that was refused."""
    tenant: str = ""
    """Tenant of the call; empty: the installation itself."""
    session: CallSession | None = None
    """The session of a running call; None for other calls."""
    row: str = ""
    """Identity of the call's row in the records, which may differ from `name`. Empty if it was not looked up, because
    the call goes on."""


def link(call: str) -> str:
    """The address of the page of a call. A slash in its name is encoded, because the names of its files follow one."""
    return f"/calls/{quote(call, safe='')}"


class CallRoute(APIRoute):
    """A route with ``{call}`` in its path. It sees the path as it was sent (RFC 3986 §2.2): an encoded slash belongs to
    the name of the call, so the page of the call ``X/pcap`` is not the capture of the call ``X``."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is the route of a request, and its parameters."""
        sent = scope.get("raw_path", b"").decode("latin-1") or scope["path"]
        match, found = super().matches(dict(scope, path=sent))
        if "call" in found.get("path_params", {}):
            found["path_params"]["call"] = unquote(found["path_params"]["call"])
        return match, found


async def find(gateway: GatewayView, name: str) -> FoundCall | None:
    """The call of that name: a running call, else the call whose row has the name, else a call that is only in memory.
    For a tenant's view only its own calls exist. Raises the errors of the database, unless the call is in memory.
    """
    if (live := gateway.calls.get(name)) is not None:
        return FoundCall(name, live.info.key, live.info.tenant, live)
    remembered = _remembered(gateway, name)
    names = [name, remembered.key.name] if remembered and remembered.key else [name]
    query = select(CallRecord.id, CallRecord.began, CallRecord.tenant).where(CallRecord.id.in_(names))
    try:
        async with gateway.store.read() as session:
            rows = {row.id: row for row in await session.execute(query)}
    except (SQLAlchemyError, OSError):
        if remembered is None:
            raise
        return remembered
    if (row := rows.get(name)) is None:
        return replace(remembered, row=next(iter(rows))) if remembered and rows else remembered
    key = CallKey(name, row.began)
    if name.endswith(ending := CallKey("", row.began).name):
        key = key._replace(call=name.removesuffix(ending))
    live = gateway.calls.get(key.call)
    return FoundCall(name, key, row.tenant, live if live is not None and live.info.key == key else None, name)


def _remembered(gateway: GatewayView, name: str) -> FoundCall | None:
    """A call without a row, or a refused INVITE, from memory. Only the operator sees refused INVITEs, because their
    tenant is unknown."""
    tenant, sip = gateway.store.tenant, gateway.evidence.sip
    began = sip.latest(name)
    if began is not None and tenant in ("", began.tenant):
        return FoundCall(name, began.key, began.tenant, row=name)
    return FoundCall(name) if not tenant and sip.refused(name) else None
