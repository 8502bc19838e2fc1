"""Who is asking, and what they may do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, HTTPException
from starlette.requests import HTTPConnection

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""From the least to the most: a viewer looks, an operator acts on calls, an admin sees the configuration and users."""
RANK = {"nobody": -1} | {role: rank for rank, role in enumerate(ROLES)}
Scope = Literal["calls:read", "calls:control", "calls:place", "metrics:read"]
SCOPES: tuple[Scope, ...] = ("calls:read", "calls:control", "calls:place", "metrics:read")
"""What programs may do: see calls; end, transfer, speak into and press keys in them; make them; read the metrics."""
ALL = frozenset[str](SCOPES)


@dataclass(frozen=True)
class Principal:
    """Somebody who may be here."""

    name: str
    role: Role | Literal["nobody"]
    """``nobody`` sees no page; a key for programs is one."""
    csrf: str
    """What a request of theirs that changes something has to bring along; empty for a key."""
    scopes: frozenset[str]
    signed_in: bool = True
    """False where nobody has to sign in."""

    @staticmethod
    def of(request: HTTPConnection) -> "Principal":
        """Who sent this request; the guard has found that out."""
        found: Principal = request.scope["who"]
        return found

    @staticmethod
    def signed(name: str, role: Role, csrf: str) -> "Principal":
        """Somebody who has signed in."""
        return Principal(name, role, csrf, frozenset({"calls:read", "metrics:read"}) if role == "viewer" else ALL)

    def may(self, role: Role) -> bool:
        """Whether they may do what `role` may."""
        return RANK[self.role] >= RANK[role]


NOBODY = Principal("", "nobody", "", frozenset(), signed_in=False)


def requires_scope(scope: Scope) -> Callable[[HTTPConnection], Principal]:
    """A dependency that lets those through who have `scope`."""

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
"""The type of a parameter of a page for everybody."""
OperatorRole = Annotated[Principal, Depends(_requires_role("operator"))]
"""The same for those who may act on calls."""
AdminRole = Annotated[Principal, Depends(_requires_role("admin"))]
"""The same for those who may see and change the installation."""
