"""The page of the audit log: what people and programs have done, and to what."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.accounts import audit_entries
from sipgw.web.principal import AdminRole
from sipgw.web.state import Here, page
from sipgw.web.tenant_view import by_tenant

router = APIRouter()


@router.get("/audit")
@by_tenant
async def audit(request: Request, app: Here, _who: AdminRole) -> Response:
    """The page; a tenant sees what concerns it, without names and addresses of the operator's people."""
    return page(request, "audit.html", title="Audit", audit_entries=await audit_entries(app.gateway.store))
