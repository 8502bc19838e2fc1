"""Accounts: softphones, desk phones and PBXs that prove who they are by a password."""

import re
from dataclasses import dataclass, field

from sipgw.networks import PRIVATE_NETWORKS, check_networks

USER = re.compile(r"[A-Za-z0-9._+-]{1,64}")


@dataclass(frozen=True)
class AccountOptions:
    """A user who may call and register after answering a digest challenge (RFC 3261 §22)."""

    user: str
    """User name, also the user part of its address: ``sip:anna@`` our address."""
    password: str = field(repr=False)
    """Its password, by reference: ``"${ANNA_PASSWORD}"``. At least 8 characters."""
    trunk: str = ""
    """Name of the trunk whose rules its calls follow (transfers, calls at the same time); empty: one of its own."""
    networks: tuple[str, ...] = PRIVATE_NETWORKS
    """Where it may come from; others are not even challenged. Phones anywhere: ``["0.0.0.0/0", "::/0"]``."""

    def __post_init__(self) -> None:
        if not USER.fullmatch(self.user):
            raise ValueError(f"user {self.user!r}: letters, digits and . _ + - only, at most 64 of them")
        if len(self.password) < 8:
            raise ValueError(f"the password of {self.user!r} is shorter than 8 characters")
        check_networks(self.networks)
