"""Allowed targets of a 3xx: within the trunk of the call, and numbers that the gate can judge. Sans-IO."""

from dataclasses import replace

from sipgw.config.networks import Networks
from sipgw.config.numbers import NumberError
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.uri import Uri, is_address

MAX_TRIES = 5
"""Maximum targets of one call on one trunk, the first one included."""


def number_of(contact: Uri, trunk: TrunkOptions) -> str:
    """The number in a redirection, as the gate reads it."""
    number = contact.user.partition(";")[0]
    return f"+{number}" if trunk.number_format == "e164" and number.isdigit() else number


def onward(target: Uri, contact: Uri, number: str, trunk: TrunkOptions) -> Uri | None:
    """The Request-URI of a call to `target` that was redirected to `contact`, to reach `number` there.

    None if the redirection may not be followed. Only host, port and transport of the Contact are used. Its ``maddr``,
    its headers and the parameters of its user part (``rn``, RFC 4694) are dropped: through them the carrier could call
    another number than the one that the gate judged. RFC 3261 §8.1.3.4: a ``sips`` call stays a ``sips`` call.
    """
    here = trunk.domain_uri
    if here is None or (target.scheme == "sips" and contact.scheme == "sip"):
        return None
    try:
        there = trunk.number_uri(number)
    except NumberError:
        return None
    if contact.scheme == "tel":
        return there
    if contact.scheme not in ("sip", "sips") or not _its_own(contact.host.lower(), trunk):
        return None
    params = tuple(one for one in contact.params if one[0].lower() in ("transport", "user"))
    return replace(there, scheme=contact.scheme, host=contact.host, port=contact.port, params=params)


def _its_own(host: str, trunk: TrunkOptions) -> bool:
    """Whether `host` belongs to the trunk: its domain, registrar or `redirect_to`, a subdomain, or in its networks."""
    names = {uri.host.lower() for uri in (trunk.domain_uri, trunk.registrar_uri) if uri is not None}
    names.update(name.lower() for name in trunk.redirect_to)
    if is_address(host):
        return host in names or bool(Networks((network, True) for network in trunk.networks).match(host))
    return any(host == name or host.endswith(f".{name}") for name in names)
