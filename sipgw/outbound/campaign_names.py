"""Names of campaigns in the database: that of a tenant is ``TENANT/NAME``, so no two tenants share one."""

from dataclasses import dataclass

LONGEST = 64
"""Characters of a name, with its tenant."""
OF = "/"
"""The separator, which no name of a tenant or of a campaign contains."""


@dataclass(frozen=True)
class CampaignNames:
    """The names of the campaigns of `tenant`; if it is empty, of all campaigns, as the operator sees them."""

    tenant: str = ""

    def full(self, name: str) -> str:
        """The name in the database."""
        return f"{self.tenant}{OF}{name}" if self.tenant else name

    def shown(self, full: str) -> str:
        """The name for this tenant."""
        return full.removeprefix(self.full(""))

    def check(self, full: str) -> None:
        """Raises `ValueError` for a campaign of another tenant."""
        if not full.startswith(self.full("")):
            raise ValueError(f"{full!r} is no campaign of {self.tenant}")


def owner(full: str) -> str:
    """The tenant of a campaign; empty: the installation itself."""
    return full.rpartition(OF)[0]
