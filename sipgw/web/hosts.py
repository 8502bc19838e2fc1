"""Under which names the dashboard may be asked for, and whence: against DNS rebinding and requests of other sites.

A page elsewhere can make its own name lead to our address; then the Host header still has that name. An address is
what nobody else can own, so addresses always pass.
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
    """Whether a request that changes something comes from a page of ours, or from no page at all.

    `origin` is the Origin header (RFC 6454), `site` Sec-Fetch-Site. Browsers send at least one of them.
    """
    if site is not None and site not in ("same-origin", "none"):
        return False
    if origin is None:
        return True
    return urlsplit(origin).netloc.lower() == host.lower() if origin != "null" else False
