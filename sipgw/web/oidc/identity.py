"""Identity in an ID token (OpenID Connect Core §2, §3.1.3.7). Sans-IO."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey
from joserfc.jws import JWSRegistry

from sipgw.config.oidc import OidcOptions
from sipgw.web.oidc.provider import ALGORITHMS

LEEWAY = 60.0
"""Seconds by which the clocks of the provider and of this machine may differ."""
OLDEST = 600.0
"""Greatest age of an ID token in seconds; the token is made for the code that was just exchanged."""
LARGEST = 64 << 10
"""Bytes of an ID token; with 200 groups one of Entra ID has about 10,000."""
LATEST = 1e12
"""Latest accepted time in seconds since 1970; it also excludes NaN and infinity, which Python reads from JSON."""
MOST_KEYS = 50


class UntrustedToken(Exception):  # noqa: N818  an outcome
    """The ID token proves nothing; the message says why."""


class UnknownKey(UntrustedToken):
    """No key of the provider's document has signed the ID token; the provider may have changed its keys."""


@dataclass(frozen=True)
class OidcIdentity:
    """A person whom the provider vouches for."""

    subject: str
    """Identifier of the person at this provider; it never changes."""
    name: str
    """Name of the person, who can change it; at most 50 printable characters."""
    groups: frozenset[str]

    @property
    def handle(self) -> str:
        """The name with a digest of the subject, so that it is unique: a person can choose any name."""
        return f"{self.name}~{hashlib.sha256(self.subject.encode()).hexdigest()[:8]}"


def identify(token: str, keys: Mapping[str, Any], options: OidcOptions, nonce: str, now: float) -> OidcIdentity:
    """Check an ID token by the provider's `keys`, at `now` (seconds since 1970). Raises `UntrustedToken`."""
    claims = _signed(token, keys)
    _check(claims, options, nonce, now)
    subject = claims["sub"]
    name = claims.get(options.name_claim)
    shown = "".join(letter for letter in (name if isinstance(name, str) else "") if letter.isprintable()).strip()
    return OidcIdentity(subject, (shown or subject)[:50], _groups(claims, options))


def _signed(token: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of a token that a key of the provider has signed. Raises `UntrustedToken`."""
    if len(token) > LARGEST:
        raise UntrustedToken(f"the ID token has more than {LARGEST} bytes")
    known = signing_keys(keys)
    if not known:
        raise UnknownKey("the provider has no key that could sign ID tokens")
    registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)  # RFC 7515 §4: others are ignored
    registry.max_header_length, registry.max_payload_length = LARGEST, LARGEST
    try:
        claims = jwt.decode(token, KeySet(known), registry=registry).claims
    except InvalidKeyIdError:
        raise UnknownKey("no key of the provider has the name that the ID token says") from None
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UntrustedToken(f"the signature of the ID token is wrong: {type(error).__name__}") from None
    if not isinstance(claims, dict):
        raise UntrustedToken("the ID token has no claims")
    return claims


def signing_keys(keys: Mapping[str, Any]) -> list[Key]:
    """The public keys for signatures. Symmetric keys are left out, because every reader of the document could sign with
    them."""
    found: list[Key] = []
    for one in keys["keys"][:MOST_KEYS]:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig":
            continue
        try:
            if one.get("kty") == "RSA":
                found.append(RSAKey.import_key(one))
            elif one.get("kty") == "EC" and one.get("crv") == "P-256":
                found.append(ECKey.import_key(one))
        except (JoseError, ValueError, TypeError, KeyError):
            continue  # another key may fit
    return found


def _check(claims: Mapping[str, Any], options: OidcOptions, nonce: str, now: float) -> None:
    """The rules of OpenID Connect Core §3.1.3.7. Raises `UntrustedToken`."""
    client, audience, party = options.client_id, claims.get("aud"), claims.get("azp")
    several = isinstance(audience, list)
    if claims.get("iss") != options.issuer:
        raise UntrustedToken("the ID token is that of another issuer")
    if not (client in audience if isinstance(audience, list) else client == audience):
        raise UntrustedToken("the ID token is for another client")
    if party != client and ("azp" in claims or (several and len(audience) > 1)):  # type: ignore[arg-type]
        raise UntrustedToken("the ID token was given to another client")
    if claims.get("nonce") != nonce:
        raise UntrustedToken("the ID token belongs to another sign-in")
    expires, made, begins = (_seconds(claims, name) for name in ("exp", "iat", "nbf"))
    if expires is None or made is None:
        raise UntrustedToken("the ID token does not say when it was made and until when it is valid")
    if now >= expires + LEEWAY or now > made + OLDEST + LEEWAY:
        raise UntrustedToken("the ID token has expired; compare the clocks of this machine and the provider")
    if now < made - LEEWAY or (begins is not None and now < begins - LEEWAY):
        raise UntrustedToken("the ID token is not valid yet; compare the clocks of this machine and the provider")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not (subject.isascii() and subject.isprintable()):
        raise UntrustedToken("the ID token names nobody")


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """The claim `name` as a time in seconds since 1970; None if it is missing. Raises `UntrustedToken`."""
    if name not in claims:
        return None
    found = claims[name]
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < LATEST:
        raise UntrustedToken(f"{name} of the ID token is no time")
    return found


def _groups(claims: Mapping[str, Any], options: OidcOptions) -> frozenset[str]:
    if options.groups_claim == "email" and claims.get("email_verified") is not True:
        return frozenset()  # anybody could write any address
    found = claims.get(options.groups_claim)
    listed = found if isinstance(found, list) else [found]  # all groups: one left out could be another tenant's
    return frozenset(one for one in listed if isinstance(one, str))
