"""Rights of the groups of an identity provider: a role at the installation, or at one tenant. Sans-IO."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sipgw.config.oidc import OidcOptions, role_in
from sipgw.config.tenants import TenantOptions
from sipgw.web.principal import Role


class Access(NamedTuple):
    """Rights of a user."""

    role: Role
    tenant: str
    """Tenant of the user; empty: none, so the user sees all."""


@dataclass(frozen=True)
class GroupAccess:
    """The groups as the configuration has them."""

    oidc: OidcOptions
    tenants: Sequence[TenantOptions] = ()

    def all(self, groups: frozenset[str]) -> list[Access]:
        """The access to the installation and to each tenant, if they list one of `groups`."""
        places = (("", self.oidc.groups), *((one.name, one.groups) for one in self.tenants))
        asked = [(name, role_in(known, groups)) for name, known in places]
        return [Access(role, tenant) for tenant, role in asked if role]

    def of(self, groups: frozenset[str]) -> Access | None:
        """The access of a person in `groups`, if there is exactly one. None without any, and also for a member of two:
        it would be unclear whose calls this person sees."""
        found = self.all(groups)
        return found[0] if len(found) == 1 else None
