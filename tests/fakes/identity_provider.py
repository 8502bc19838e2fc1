"""An OpenID provider from the specifications, on loopback: it refuses everything that is not exactly right.

OpenID Connect Core 1.0 §3.1, Discovery 1.0 §3, RFC 6749 §4.1, RFC 7636 §4, RFC 7517, RFC 9207; as RFC 9700 §2.1 wants
it: exact redirect URIs, PKCE with S256, codes that count once. Tokens are signed with `cryptography`, not with the
library that the gateway verifies them with. A test changes `lies` to make it lie.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.fakes.http import Exchange, HttpServer

CLIENT = "dashboard"
SECRET = "battery staple"


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _number(value: int, size: int = 0) -> str:
    return text(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


@cache
def private(kind: str, number: int = 0) -> Any:
    """The private key `number` of a kind; it is made once for all tests."""
    return rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())


def public(kind: str, kid: str, number: int = 0) -> dict[str, str]:
    """The key as the document of keys has it."""
    numbers = private(kind, number).public_key().public_numbers()
    if kind == "RSA":
        return {"kty": "RSA", "kid": kid, "use": "sig", "n": _number(numbers.n), "e": _number(numbers.e)}
    return {
        "kty": "EC",
        "crv": "P-256",
        "kid": kid,
        "use": "sig",
        "x": _number(numbers.x, 32),
        "y": _number(numbers.y, 32),
    }


def signed(algorithm: str, data: bytes, number: int = 0) -> bytes:
    """The signature of `data` (RFC 7518 §3)."""
    if algorithm == "ES256":
        r, s = decode_dss_signature(private("EC", number).sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    how = pss if algorithm == "PS256" else padding.PKCS1v15()
    return bytes(private("RSA", number).sign(data, how, hashes.SHA256()))


@dataclass
class Code:
    """A code that was given out, and what it is bound to."""

    redirect_uri: str
    challenge: str
    nonce: str
    used: bool = False


@dataclass
class Lies:
    """What a test changes; by default nothing."""

    document: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    """A value of `...` removes the claim."""
    header: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[bytes], bytes] | None = None
    answer: dict[str, str] = field(default_factory=dict)
    """Changes of what it sends through the browser."""
    respond: dict[str, Callable[[Exchange], Any]] = field(default_factory=dict)
    """By path: answers in place of its own."""


class IdentityProvider(HttpServer):
    """The provider. `person` is who signs in: their claims."""

    def __init__(self, redirect_uri: str, algorithm: str = "RS256") -> None:
        super().__init__()
        self.redirect_uri, self.algorithm = redirect_uri, algorithm
        self.person: dict[str, Any] = {"sub": "248289761001", "preferred_username": "ann", "groups": ["phones"]}
        self.secret = SECRET
        """Empty for a public client."""
        self.lies = Lies()
        self.codes: dict[str, Code] = {}
        self.number = 0
        """Of the key that signs now."""
        self.given: list[str] = []
        """The ID tokens."""

    @property
    def kid(self) -> str:
        return f"key {self.number}"

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(exchange.path == path for exchange in self.exchanges)

    async def respond(self, exchange: Exchange) -> None:
        paths = {
            "/.well-known/openid-configuration": self._document, "/keys": self._keys, "/authorize": self._authorize,
            "/token": self._token,
        }  # fmt: skip
        answer = self.lies.respond.get(exchange.path) or paths.get(exchange.path)
        if answer is None:
            await exchange.answer(404, {})
        else:
            await answer(exchange)

    async def _document(self, exchange: Exchange) -> None:
        method = "client_secret_basic" if self.secret else "none"
        document = {
            "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize?tenant=one",
            "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", self.algorithm],
            "code_challenge_methods_supported": ["S256"], "token_endpoint_auth_methods_supported": [method],
            "authorization_response_iss_parameter_supported": True,
        }  # fmt: skip
        await exchange.answer(200, {**document, **self.lies.document})

    async def _keys(self, exchange: Exchange) -> None:
        other = {"kty": "OKP", "crv": "Ed25519", "kid": "other", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
        kind = "EC" if self.algorithm == "ES256" else "RSA"
        await exchange.answer(200, {"keys": [other, "no key", public(kind, self.kid, self.number)]})

    async def _authorize(self, exchange: Exchange) -> None:
        """The person is signed in there already, and agrees."""
        asked = exchange.query
        right = (
            exchange.method == "GET" and asked.get("tenant") == "one" and asked.get("response_type") == "code"
            and asked.get("client_id") == CLIENT and asked.get("redirect_uri") == self.redirect_uri
            and "openid" in asked.get("scope", "").split() and len(asked.get("state", "")) >= 22
            and len(asked.get("nonce", "")) >= 22 and asked.get("code_challenge_method") == "S256"
            and re.fullmatch(r"[\w-]{43}", asked.get("code_challenge", ""))
            and len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
        )  # fmt: skip
        if not right:
            await exchange.answer(400, {"error": "invalid_request"})
            return
        code = secrets.token_urlsafe(32)
        self.codes[code] = Code(asked["redirect_uri"], asked["code_challenge"], asked["nonce"])
        said = {"code": code, "state": asked["state"], "iss": self.url, **self.lies.answer}
        where = f"{asked['redirect_uri']}?{urllib.parse.urlencode({name: one for name, one in said.items() if one})}"
        await exchange.answer(303, {}, {"location": where})

    async def _token(self, exchange: Exchange) -> None:
        form = dict(urllib.parse.parse_qsl(exchange.body.decode(), strict_parsing=True))
        if exchange.method != "POST" or exchange.headers["content-type"] != "application/x-www-form-urlencoded":
            await exchange.answer(400, {"error": "invalid_request"})
        elif not self._is_client(exchange, form):
            await exchange.answer(401, {"error": "invalid_client"})
        elif (code := self._right(form)) is None:
            await exchange.answer(400, {"error": "invalid_grant", "error_description": "<b>no</b>"})
        else:
            token = self.id_token(code.nonce)
            self.given.append(token)
            said = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": token}
            await exchange.answer(200, said, {"cache-control": "no-store"})

    def _is_client(self, exchange: Exchange, form: dict[str, str]) -> bool:
        methods = self.lies.document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        header = exchange.headers.get("authorization", "")
        if not self.secret or "client_secret_basic" not in methods:
            return not header and (form.get("client_id"), form.get("client_secret", "")) == (CLIENT, self.secret)
        both = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        sent = urllib.parse.unquote_plus(both[0]), urllib.parse.unquote_plus(both[2])
        return "client_secret" not in form and sent == (CLIENT, self.secret)

    def _right(self, form: dict[str, str]) -> Code | None:
        code, verifier = self.codes.get(form.get("code", "")), form.get("code_verifier", "")
        if code is None or code.used or form.get("grant_type") != "authorization_code":
            return None
        code.used = True
        challenge = text(hashlib.sha256(verifier.encode()).digest())
        right = re.fullmatch(r"[\w.~-]{43,128}", verifier) and challenge == code.challenge
        return code if right and form.get("redirect_uri") == code.redirect_uri else None

    def id_token(self, nonce: str) -> str:
        """The ID token of the person (OpenID Connect Core §2), with the lies of the test."""
        now = int(datetime.now(UTC).timestamp())
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, "vendor": "ours", **self.lies.header}
        claims = {"iss": self.url, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce, **self.person}
        claims |= self.lies.claims
        parts = ({name: one for name, one in part.items() if one is not ...} for part in (header, claims))
        data = ".".join(text(json.dumps(part).encode()) for part in parts).encode()
        signature = self.lies.sign(data) if self.lies.sign else signed(self.algorithm, data, self.number)
        return f"{data.decode()}.{text(signature)}"


def by_public_key(provider: IdentityProvider) -> Callable[[bytes], bytes]:
    """HS256 whose secret is the public key: a verifier that lets the token choose the algorithm takes it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = private("RSA", provider.number).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return lambda data: hmac.digest(key, data, "sha256")
