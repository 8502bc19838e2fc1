"""SIP and tel URIs (RFC 3261 §19.1, RFC 3966)."""

import ipaddress
import re
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

_SIP = ("sip", "sips")
_TRAVEL = ("method", "maddr", "ttl", "transport", "lr")
_RESERVED = re.compile("%(3B|2F|3F|3A|40|26|3D|2B|24|2C)", re.IGNORECASE)
_HOST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
_IPV6 = frozenset("0123456789abcdefABCDEF:.")
MAX_PARAMS = 100
"""The most parameters of one URI; a URI with more is an attack."""
_FORBIDDEN = frozenset(map(chr, range(33))) | frozenset('<>"\x7f')
_SCHEME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789+-.")


class UriError(ValueError):
    """The text is not a URI that SIP can use."""


@dataclass(frozen=True)
class Uri:
    """A URI, kept as it was written: escapes are not decoded, parameters keep their order and case.

    In schemes other than sip and sips, `user` is everything after the colon, and `host` is empty. In a text that is no
    URI (`opaque`), `scheme` is empty, too.
    """

    scheme: str
    user: str = ""
    host: str = ""
    port: int | None = None
    params: tuple[tuple[str, str | None], ...] = ()
    headers: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> "Uri":
        """Read a URI. Raises `UriError`."""
        scheme, colon, rest = text.partition(":")
        scheme = scheme.lower()
        if not colon or not scheme or not _SCHEME.issuperset(scheme) or not scheme[0].isalpha():
            raise UriError(f"no URI: {text[:80]!r}")
        if not _FORBIDDEN.isdisjoint(rest):
            raise UriError(f"a URI with a forbidden character: {text[:80]!r}")
        if scheme not in _SIP:
            return cls(scheme, user=rest)
        # The user part may hold ';' and '?', so it is cut off first (RFC 3261 §25.1: user-unreserved).
        userinfo, at, rest = rest.rpartition("@") if "@" in rest else ("", "", rest)
        rest, _, headers = rest.partition("?")
        if at and "@" in userinfo:
            raise UriError("two @ in a URI")
        if at and not userinfo:
            raise UriError("an empty user part")
        user, _, password = userinfo.partition(":")
        hostport, *params = rest.split(";", MAX_PARAMS + 1)
        if len(params) > MAX_PARAMS:
            raise UriError("too many URI parameters")
        host, port = parse_host_port(hostport)
        if params and not params[-1]:
            params.pop()  # a ; at the end is ignored
        return cls(scheme, user, host, port, tuple(_parameter(text) for text in params), headers, password)

    @classmethod
    def opaque(cls, text: str) -> "Uri":
        """A `text` that is no URI, in the place of one: it can be shown and echoed, but nothing can be sent to it."""
        return cls("", user=text)

    def __str__(self) -> str:
        if self.scheme not in _SIP:
            return f"{self.scheme}:{self.user}" if self.scheme else self.user
        userinfo = f"{self.user}:{self.password}@" if self.password else f"{self.user}@" if self.user else ""
        params = "".join(f";{name}" if value is None else f";{name}={value}" for name, value in self.params)
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{userinfo}{format_host_port(self.host, self.port)}{params}{headers}"

    def param(self, name: str) -> str | None:
        """The value of a parameter: None if absent, empty if it has no value."""
        for key, value in self.params:
            if key.lower() == name:
                return value or ""
        return None

    @property
    def transport(self) -> str:
        """``udp``, ``tcp`` or ``tls``, as the URI asks for."""
        if self.scheme == "sips":
            return "tls"
        return (self.param("transport") or "udp").lower()

    @property
    def address(self) -> "Uri":
        """This URI as From and To may have it: without parameters of the way of a request (RFC 3261 §19.1.1, table 1)
        and without headers."""
        if self.scheme not in _SIP:
            return self
        return replace(self, params=tuple(one for one in self.params if one[0].lower() not in _TRAVEL), headers="")

    def equivalent(self, other: "Uri") -> bool:
        """Whether both name the same resource (RFC 3261 §19.1.4)."""
        if self.scheme != other.scheme or _plain(self.user) != _plain(other.user):
            return False
        if self.host.lower() != other.host.lower() or self.port != other.port or self.password != other.password:
            return False
        ours = {name.lower(): (value or "").lower() for name, value in self.params}
        theirs = {name.lower(): (value or "").lower() for name, value in other.params}
        decisive = {"user", "ttl", "method", "maddr", "transport"}
        if any(ours.get(name) != theirs.get(name) for name in decisive):
            return False
        if sorted(self.headers.split("&")) != sorted(other.headers.split("&")):
            return False
        return all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())


def _plain(user: str) -> str:
    """Without escapes, except those of reserved characters, which mean something else unescaped."""
    return unquote(_RESERVED.sub(lambda escape: f"%25{escape[1].upper()}", user), errors="surrogateescape")


def parse_host_port(text: str) -> tuple[str, int | None]:
    """Split ``host:port``; IPv6 addresses stand in brackets and lose them. Raises `UriError`."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not host or not _IPV6.issuperset(host):
            raise UriError(f"no IPv6 address: {text[:60]!r}")
        if rest and not rest.startswith(":"):
            raise UriError(f"no host: {text[:60]!r}")
        port = rest[1:] if rest else None
    else:
        host, colon, number = text.partition(":")
        if not host or not _HOST.issuperset(host):
            raise UriError(f"no host: {text[:60]!r}")
        port = number if colon else None
    if port is None:
        return host, None
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
        raise UriError(f"no port after {host[:60]!r}")
    return host, int(port)


def is_address(host: str) -> bool:
    """Whether `host` is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def format_host_port(host: str, port: int | None) -> str:
    """``host:port`` with brackets round an IPv6 address."""
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"


def _parameter(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name:
        raise UriError("an empty URI parameter")
    return name, value if equals else None
