"""Who is asking, and what they may do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, HTTPException, Request

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""From the least to the most: a viewer looks, an operator acts on calls, an admin sees the configuration and users."""


@dataclass(frozen=True)
class Who:
    """Somebody who may be here."""

    name: str
    role: Role
    csrf: str
    """What a form of theirs has to bring along."""
    signed_in: bool = True
    """False where nobody has to sign in."""

    @staticmethod
    def of(request: Request) -> "Who":
        """Who sent this request; the guard has found that out."""
        found: Who = request.scope["who"]
        return found

    def may(self, role: Role) -> bool:
        """Whether they may do what `role` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


def _at_least(role: Role) -> Callable[[Request], Who]:
    def check(request: Request) -> Who:
        who = Who.of(request)
        if not who.may(role):
            raise HTTPException(403, f"this needs the role {role}; you are {who.role}")
        return who

    return check


Viewer = Annotated[Who, Depends(_at_least("viewer"))]
"""The type of a parameter of a page for everybody."""
Operator = Annotated[Who, Depends(_at_least("operator"))]
"""The same for those who may act on calls."""
Admin = Annotated[Who, Depends(_at_least("admin"))]
"""The same for those who may see and change the installation."""
