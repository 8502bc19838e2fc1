"""Checks of the Host and Origin headers: against DNS rebinding and requests of other sites.

A foreign page can let its own name resolve to our address; the Host header has that name then. Nobody else can own an
address, so addresses always pass.
"""

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit


def is_ours(header: str, names: Collection[str]) -> bool:
    """Whether a Host header (RFC 9110 §7.2) names us: an address, ``localhost``, this machine, or one of `names`."""
    try:
        host = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host in {name.lower() for name in names} or host == socket.gethostname().lower():
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def same_origin(origin: str | None, host: str, site: str | None) -> bool:
    """Whether a changing request comes from a page of ours, or from no page at all.

    `origin` is the Origin header (RFC 6454), `site` Sec-Fetch-Site. Browsers send at least one of them.
    """
    if site is not None and site not in ("same-origin", "none"):
        return False
    if origin is None:
        return True
    return urlsplit(origin).netloc.lower() == host.lower() if origin != "null" else False
