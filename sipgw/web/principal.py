"""The sender of a request: role and scopes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from fastapi import Depends, HTTPException
from starlette.requests import HTTPConnection

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""From the least to the most: a viewer looks, an operator acts on calls, an admin sees the configuration and users."""
RANK = {"nobody": -1} | {role: rank for rank, role in enumerate(ROLES)}
Scope = Literal["calls:read", "calls:control", "calls:place", "campaigns:run", "metrics:read", "audit:read"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Scopes of programs: see calls; end, transfer, speak into and press keys in them; make them; start, pause and stop
campaigns; read the metrics; read the audit log."""
ALL = frozenset[str](SCOPES)
OPERATOR = "operator"
"""Name of all people and programs of the installation itself in the calls of tenants."""


@dataclass(frozen=True)
class Principal:
    """An authenticated user or program."""

    name: str
    role: Role | Literal["nobody"]
    """``nobody`` sees no page; keys of programs have this role."""
    csrf: str
    """The CSRF token that changing requests must send; empty for a key."""
    scopes: frozenset[str]
    signed_in: bool = True
    """Whether the user has signed in; False if no sign-in is needed."""
    tenant: str = ""
    """Tenant whose calls the principal may reach, see `sipgw.web.tenant_view`; empty: all calls."""

    @staticmethod
    def of(request: HTTPConnection) -> "Principal":
        """The sender of this request, as set by `sipgw.web.security`."""
        found: Principal = request.scope["who"]
        return found

    @staticmethod
    def signed(name: str, role: Role, csrf: str, tenant: str = "") -> "Principal":
        """The principal of a user who has signed in."""
        of_role = {"viewer": frozenset[str]({"calls:read", "metrics:read"}), "operator": ALL - {"audit:read"}}
        return Principal(name, role, csrf, of_role.get(role, ALL), tenant=tenant)

    @staticmethod
    def named(name: str, tenant: str = "") -> "Principal":
        """A principal without rights, as the author of an entry of the audit log."""
        return Principal(name, "nobody", "", frozenset(), tenant=tenant)

    def name_for(self, tenant: str) -> str:
        """The principal's name for a call of `tenant`: for its record, the other side and the agent. A tenant does not
        learn the names of the operator's people; the audit log has them, see `sipgw.web.state.note`."""
        return self.name if tenant in ("", self.tenant) else OPERATOR

    def may(self, role: Role) -> bool:
        """Whether the principal has at least `role`."""
        return RANK[self.role] >= RANK[role]


NOBODY = Principal("", "nobody", "", frozenset(), signed_in=False)


def address(request: HTTPConnection) -> str:
    """The client address of a request."""
    return request.client.host if request.client else ""


def requires_scope(scope: Scope) -> Callable[[HTTPConnection], Principal]:
    """A dependency that requires `scope`."""

    def check(request: HTTPConnection) -> Principal:
        who = Principal.of(request)
        if scope not in who.scopes:
            raise HTTPException(403, f"this needs the scope {scope}")
        return who

    return check


def _requires_role(role: Role) -> Callable[[HTTPConnection], Principal]:
    def check(request: HTTPConnection) -> Principal:
        who = Principal.of(request)
        if not who.may(role):
            raise HTTPException(403, f"this needs the role {role}; you are {who.role}")
        return who

    return check


ViewerRole = Annotated[Principal, Depends(_requires_role("viewer"))]
"""The parameter type of a page for all roles."""
OperatorRole = Annotated[Principal, Depends(_requires_role("operator"))]
"""The parameter type of a page for roles that may act on calls."""
AdminRole = Annotated[Principal, Depends(_requires_role("admin"))]
"""The parameter type of a page for roles that may see and change the installation."""
