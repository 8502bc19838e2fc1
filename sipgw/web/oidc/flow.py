"""A sign-in in progress. Only the browser stores it, in a short-lived cookie. Sans-IO.

The cookie holds 256 random bits. State, nonce and PKCE verifier are made of them by HMAC: the gateway stores nothing
that strangers could fill. The values that the provider and the address bar show (state, nonce, challenge) tell nothing
about the others.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote

COOKIE = "sipgw_oidc"
PATH = "/sign-in/oidc"
LIMIT = 600
"""Seconds from the start of a sign-in to the answer of the provider."""
LONGEST = 3000
"""Characters in the cookie of the page that is shown afterwards; for a longer one the first page is shown. Browsers
keep cookies of 4096 bytes (RFC 6265 §6.1)."""
_FORM = re.compile(rf"([\w-]{{43}})\.(\d{{1,12}})\.([\w.~%/-]{{1,{LONGEST}}})", re.ASCII)


@dataclass(frozen=True)
class SignIn:
    """A sign-in in progress."""

    token: str
    """The random bits, in base64url."""
    began: int
    """The start of the sign-in, in seconds since 1970."""
    where: str
    """The page that is shown afterwards. Its reader must check that it is a page of ours."""

    @classmethod
    def begin(cls, where: str, now: float) -> Self:
        """Begin a sign-in at `now`, in seconds since 1970."""
        return cls(secrets.token_urlsafe(32), int(now), where if len(quote(where)) <= LONGEST else "/")

    @classmethod
    def read(cls, cookie: str, now: float) -> Self | None:
        """The sign-in in a cookie; None if there is none, or it is too old."""
        found = _FORM.fullmatch(cookie)
        if found is None or not 0 <= now - int(found[2]) + 1 <= LIMIT:
            return None
        return cls(found[1], int(found[2]), unquote(found[3]))

    def cookie(self, url: str) -> str:
        """The Set-Cookie of the sign-in, for a dashboard at `url`. The browser must send the cookie when it comes from
        the provider, so it is Lax.
        """
        return _cookie(f"{self.token}.{self.began}.{quote(self.where)}", url, LIMIT)

    @property
    def state(self) -> str:
        """Binds the answer of the provider to the browser (RFC 9700 §4.7)."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """Binds the ID token to this sign-in (OpenID Connect Core §3.1.2.1)."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """Binds the code to this sign-in (RFC 7636 §4.1); 43 characters."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """The verifier's hash by the method S256 (RFC 7636 §4.2)."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())

    def answers(self, state: str) -> bool:
        """Whether an answer with this `state` belongs to this sign-in."""
        return hmac.compare_digest(self.state.encode(), state.encode())

    def _derived(self, what: str) -> str:
        return _text(hmac.digest(self.token.encode(), what.encode(), "sha256"))


def over(url: str) -> str:
    """The Set-Cookie that removes the cookie."""
    return _cookie("", url, 0)


def _cookie(value: str, url: str, age: int) -> str:
    secure = "; Secure" if url.startswith("https:") else ""
    return f"{COOKIE}={value}; Path={PATH}; HttpOnly; SameSite=Lax{secure}; Max-Age={age}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
