"""HTTP digest authentication as SIP uses it (RFC 3261 §22, RFC 7616, RFC 8760), for client and server."""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sipgw.sip.fields import FieldError, escape, split, unescape

ALGORITHMS: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data),
    "SHA-256": hashlib.sha256,
    # Most carriers still use MD5; here it only proves knowledge of the password.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
}
"""The hash functions by name, the strongest first."""


@dataclass(frozen=True)
class Credentials:
    """A user name and a password; the password never shows in a repr."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Challenge:
    """The challenge in a WWW-Authenticate or Proxy-Authenticate header."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    """As the peer wrote it, e.g. ``SHA-256-sess``."""
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False

    @classmethod
    def parse(cls, value: str) -> "Challenge":
        """Read a header value. Raises `FieldError` for anything but a digest challenge."""
        params = parse_digest(value)
        if "realm" not in params or "nonce" not in params:
            raise FieldError("a digest challenge without realm or nonce")
        qop = tuple(option.strip().lower() for option in params.get("qop", "").split(",") if option.strip())
        stale = params.get("stale", "").lower() == "true"
        algorithm = params.get("algorithm", "MD5")
        return cls(params["realm"], params["nonce"], algorithm, qop, params.get("opaque"), stale)

    @property
    def hash(self) -> Callable[[bytes], "hashlib._Hash"] | None:
        """The hash function, or None if we do not know the algorithm."""
        return ALGORITHMS.get(self.algorithm.upper().removesuffix("-SESS"))

    @property
    def usable(self) -> bool:
        """Whether we can answer this challenge."""
        return self.hash is not None and (not self.qop or bool({"auth", "auth-int"} & set(self.qop)))


def choose(values: Iterable[str], may: Callable[[str], bool] = lambda realm: True) -> Challenge | None:
    """The strongest challenge among the header `values` that we can answer and whose realm `may` allows; or None."""
    usable: list[Challenge] = []
    for value in values:
        try:
            challenge = Challenge.parse(value)
        except FieldError:
            continue
        if challenge.usable and may(challenge.realm):
            usable.append(challenge)
    order = list(ALGORITHMS)
    return min(usable, key=lambda one: order.index(one.algorithm.upper().removesuffix("-SESS")), default=None)


def authorize(
    challenge: Challenge,
    credentials: Credentials,
    method: str,
    uri: str,
    *,
    nc: int = 1,
    cnonce: str = "",
    body: bytes = b"",
) -> str:
    """The value of the Authorization or Proxy-Authorization header that answers `challenge`."""
    qop = "auth" if "auth" in challenge.qop else "auth-int" if "auth-int" in challenge.qop else ""
    count = f"{nc:08x}"
    response = _response(challenge, credentials, method, uri, qop, count, cnonce, body)
    fields = [
        f'username="{escape(credentials.username)}"',
        f'realm="{escape(challenge.realm)}"',
        f'nonce="{escape(challenge.nonce)}"',
        f'uri="{uri}"',
        f'response="{response}"',
        f"algorithm={challenge.algorithm}",
    ]
    if qop or challenge.algorithm.lower().endswith("-sess"):
        fields.append(f'cnonce="{cnonce}"')
    if qop:
        fields += [f"qop={qop}", f"nc={count}"]
    if challenge.opaque is not None:
        # `opaque` may name the node that issued the nonce. Without it, Telnyx sometimes challenges again.
        fields.append(f'opaque="{escape(challenge.opaque)}"')
    return "Digest " + ", ".join(fields)


def verify(value: str, challenge: Challenge, credentials: Credentials, method: str, body: bytes = b"") -> bool:
    """Whether an Authorization header proves knowledge of the password, compared in constant time."""
    try:
        given = parse_digest(value)
    except FieldError:
        return False
    qop = given.get("qop", "").lower()
    same = (
        given.get("username") == credentials.username
        and given.get("realm") == challenge.realm
        and given.get("nonce") == challenge.nonce
        and given.get("algorithm", "MD5").upper() == challenge.algorithm.upper()
        and given.get("opaque") == challenge.opaque
        and (qop in challenge.qop if challenge.qop else not qop)
    )
    if not same or challenge.hash is None:
        return False
    uri, nc, cnonce = given.get("uri", ""), given.get("nc", ""), given.get("cnonce", "")
    expected = _response(challenge, credentials, method, uri, qop, nc, cnonce, body)
    return hmac.compare_digest(expected.encode(), given.get("response", "").encode("utf-8", "replace"))


def parse_digest(value: str) -> dict[str, str]:
    """The parameters of a Digest header by lower-case name, quotes removed. Raises `FieldError`."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        raise FieldError("not a digest header")
    params: dict[str, str] = {}
    for piece in split(rest, ","):
        name, equals, text = piece.partition("=")
        text = text.strip()
        if not equals:
            raise FieldError("a broken digest parameter")
        if len(text) >= 2 and text[0] == text[-1] == '"':
            text = unescape(text[1:-1])
        params[name.strip().lower()] = text
    return params


def _response(
    challenge: Challenge,
    credentials: Credentials,
    method: str,
    uri: str,
    qop: str,
    nc: str,
    cnonce: str,
    body: bytes,
) -> str:
    digest = challenge.hash
    if digest is None:
        raise FieldError(f"unknown digest algorithm {challenge.algorithm!r}")

    def h(text: str) -> str:
        return digest(text.encode("utf-8", "surrogateescape")).hexdigest()

    ha1 = h(f"{credentials.username}:{challenge.realm}:{credentials.password}")
    if challenge.algorithm.lower().endswith("-sess"):
        ha1 = h(f"{ha1}:{challenge.nonce}:{cnonce}")
    ha2 = h(f"{method}:{uri}:{digest(body).hexdigest()}" if qop == "auth-int" else f"{method}:{uri}")
    middle = f"{challenge.nonce}:{nc}:{cnonce}:{qop}" if qop else challenge.nonce
    return h(f"{ha1}:{middle}:{ha2}")
