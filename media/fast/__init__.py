"""The packet path in C, if it was built, and the state that it shares with the Python classes that inherit from it.

``SIPGW_FAST=1`` in the environment turns it on; without that Python, which is the reference, does all the work.
"""

import os
from typing import TYPE_CHECKING

from media.fast import fallback

OFF = "SIPGW_FAST=1 turns the one in C on"
WHY_NOT = ""
"""Why C is not used; empty if it is."""

if TYPE_CHECKING:
    base = fallback
elif os.environ.get("SIPGW_FAST") != "1":
    base, WHY_NOT = fallback, OFF
else:
    try:
        from media.fast import _fast as base
    except ImportError as error:
        base, WHY_NOT = fallback, f"it was not built: {error}"
    else:
        if base.VERSION != fallback.VERSION:
            base, WHY_NOT = fallback, "it was built from other sources"

__all__ = ("OFF", "WHY_NOT", "base", "used")


def used() -> str:
    """Which packet path the media processes of this installation have, in words."""
    return f"the packet path is in Python: {WHY_NOT}" if WHY_NOT else "the packet path is in C"
