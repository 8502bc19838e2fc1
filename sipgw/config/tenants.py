"""Tenants: companies that share a gateway and do not see each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge

from agent.rules.rule_error import RuleError
from sipgw.config.oidc import Role
from sipgw.config.options import near_or_all
from sipgw.config.records import WebhookOptions

LONGEST = 63
"""Maximum letters of the names of a webhook and of its tenant together."""
SHARE = 0.5
"""The share of a trunk's calls per second that one tenant may use, so that others can always call."""
NAME = r"[a-z0-9][a-z0-9-]{0,39}"
"""A regular expression of the names of tenants."""


@dataclass(frozen=True)
class TenantOptions:
    """A company that shares this gateway with others, and sees only its own calls and data: see docs/tenants.md."""

    name: str
    """Name of the tenant: small letters, digits and hyphens. Users, keys and records of calls contain it."""
    agents: tuple[str, ...]
    """The agents of the tenant. Their calls are its calls. An agent belongs to one tenant, or to none."""
    numbers: tuple[str, ...] = ()
    """The caller IDs of its outgoing calls, the first one by default; each must be a number of the trunk. Empty: its
    keys make no calls."""
    max_calls: Annotated[int, Ge(0)] = 0
    """Maximum calls at the same time, in both directions, at all gateways with one Redis; 0: no limit."""
    money_per_day: Annotated[float, Ge(0)] = 0
    """The highest cost of its calls of a day, in the currency of the prices. When it is reached, no call is taken or
    made. 0: no limit."""
    groups: dict[str, Role] = field(default_factory=dict, hash=False)
    """Groups of the identity provider (``[web.oidc]``) whose members are users of the tenant, each group with a role:
    ``{ desk = "operator" }``."""

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise RuleError(f"{self.name!r} must be 1 to 40 small letters, digits and hyphens", "name")


def check_tenants(webhooks: Sequence[WebhookOptions], tenants: Sequence[TenantOptions]) -> None:
    """Check the tenants, and that each webhook of a tenant names only agents of that tenant. Raises `RuleError`."""
    own = {one.name: one.agents for one in tenants}
    for at, hook in enumerate(webhooks):
        where, place = f"[[webhooks]] {hook.name!r}", ("webhooks", at)
        if "/" in hook.name:
            raise RuleError(f"{where}: a name has no slash, which stands after a tenant's", (*place, "name"))
        if hook.tenant and hook.tenant not in own:
            raise RuleError(
                f"{where} names a tenant {hook.tenant!r} that is not there; {near_or_all(hook.tenant, own)}",
                (*place, "tenant"),
            )
        if hook.tenant and len(hook.tenant) + len(hook.name) > LONGEST:
            raise RuleError(
                f"{where}: name and tenant have more than {LONGEST} letters together",
                (*place, "name"),
                (*place, "tenant"),
            )
        if hook.tenant and (foreign := set(hook.agents) - set(own[hook.tenant])):
            raise RuleError(f"{where}: {min(foreign)!r} is no agent of {hook.tenant!r}", (*place, "agents"))


def tenant_named(name: str, tenants: Sequence[TenantOptions]) -> TenantOptions:
    """The tenant of that name. A name that the configuration does not have gives a tenant without agents."""
    return next((one for one in tenants if one.name == name), TenantOptions(name, ()))


def tenant_of(agent: str, tenants: Sequence[TenantOptions]) -> str:
    """The name of the tenant to whom `agent` belongs; empty for an agent of the installation itself."""
    return next((one.name for one in tenants if agent in one.agents), "")


def pace_of_tenant(calls_per_second: float) -> float:
    """New calls in a second that one tenant may make on a trunk with `calls_per_second`."""
    return SHARE * calls_per_second
