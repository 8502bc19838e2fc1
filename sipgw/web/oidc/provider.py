"""The identity provider over HTTP: its discovery document, its keys, and the exchange of a code for an ID token."""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote_plus, urlsplit

import httpx2

from agent.authorities import tls
from agent.bodies import TooLargeError, within
from agent.pinned import PrivateAddress, anywhere, ask, public
from agent.pool import Pool, PoolFullError
from sipgw.config.errors import OperatorError
from sipgw.config.networks import is_loopback
from sipgw.config.oidc import OidcOptions, unusable
from sipgw.web.oidc.flow import SignIn

NAMES = Pool("the names of identity providers", workers=2, waiting=16)
LIMIT = 10.0
"""Seconds that a request to the provider may take."""
LARGEST = 256 << 10
"""Bytes of an answer; discovery documents have about 5,000."""
FRESH, AGAIN = 3600.0, 10.0
"""Seconds until discovery document and keys are fetched again: after a success, and after a failure."""
WELL_KNOWN = "/.well-known/openid-configuration"
ALGORITHMS = ("RS256", "ES256", "PS256")
"""Signatures of ID tokens that are accepted: those by a private key of the provider."""

Fault = Literal["unreachable", "issuer", "unsuited", "refused"]


class OidcError(OperatorError):
    """The provider cannot be used, for now or at all; the message says why, without secrets."""

    def __init__(self, problem: str, fault: Fault = "unsuited") -> None:
        super().__init__(problem)
        self.fault = fault
        """The kind of fault, for `sipgw doctor`."""


@dataclass(frozen=True)
class Metadata:
    """Content of a discovery document (OpenID Connect Discovery 1.0 §3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    by_post: bool
    """Whether the client secret is sent in the form, because the provider does not take it in a header."""
    names_itself: bool
    """Whether the provider's answers through the browser have `iss` (RFC 9207)."""


class OidcProvider:
    """The provider of `[web.oidc]`."""

    def __init__(self, options: OidcOptions) -> None:
        self.options = options
        self._looking = asyncio.Lock()
        """Held during a fetch, because strangers can begin any number of sign-ins. A failure is remembered for all
        sign-ins; otherwise each would wait for its own fetch."""
        self._metadata: tuple[Metadata, float] | None = None
        self._keys: tuple[Mapping[str, Any], float] | None = None
        self._failed: tuple[OidcError, float] | None = None

    async def metadata(self) -> Metadata:
        """The discovery document, at most an hour old. Raises `OidcError`."""
        async with self._looking:
            if self._metadata is not None and _now() < self._metadata[1]:
                return self._metadata[0]
            with self._remembered():
                url = self.options.issuer.rstrip("/") + WELL_KNOWN
                found = read(await self._fetched("GET", url), self.options)
            self._metadata = found, _now() + FRESH
            return found

    async def keys(self, *, again: bool = False) -> Mapping[str, Any]:
        """The keys (RFC 7517 §5), at most an hour old; `again` fetches them in any case. Raises `OidcError`."""
        metadata = await self.metadata()
        async with self._looking:
            if again or self._keys is None or self._keys[1] <= _now():
                with self._remembered():
                    found = await self._fetched("GET", metadata.jwks_uri)
                    if not isinstance(found.get("keys"), list):
                        raise OidcError("the document of its keys has no keys")
                self._keys = found, _now() + FRESH
            return self._keys[0]

    @contextlib.contextmanager
    def _remembered(self) -> Iterator[None]:
        """Remember the failure if the block raises `OidcError`. Raises this error at once if the last failure is
        recent."""
        if self._failed is not None and _now() < self._failed[1]:
            raise OidcError(str(self._failed[0]), self._failed[0].fault)
        try:
            yield
        except OidcError as error:
            self._failed = error, _now() + AGAIN
            raise

    async def authorization(self, flow: SignIn) -> str:
        """The URL to which a browser goes to sign in (OpenID Connect Core §3.1.2.1). Raises `OidcError`."""
        endpoint = (await self.metadata()).authorization_endpoint
        asked = {
            "response_type": "code", "client_id": self.options.client_id, "redirect_uri": self.options.redirect_uri,
            "scope": " ".join(self.options.scopes), "state": flow.state, "nonce": flow.nonce,
            "code_challenge": flow.challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return str(httpx2.URL(endpoint).copy_merge_params(asked))

    async def exchange(self, code: str, flow: SignIn) -> str:
        """The ID token for a code (OpenID Connect Core §3.1.3). Raises `OidcError`."""
        metadata, options = await self.metadata(), self.options
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": options.redirect_uri,
            "code_verifier": flow.verifier,
        }  # fmt: skip
        auth = None
        if options.client_secret and not metadata.by_post:  # RFC 6749 §2.3.1: both are encoded first
            auth = httpx2.BasicAuth(quote_plus(options.client_id), quote_plus(options.client_secret))
        else:
            form["client_id"] = options.client_id
            if options.client_secret:
                form["client_secret"] = options.client_secret
        token = (await self._fetched("POST", metadata.token_endpoint, auth, data=form)).get("id_token")
        if not isinstance(token, str):
            raise OidcError("it gave no ID token", "refused")
        return token

    async def _fetched(self, method: str, url: str, auth: httpx2.Auth | None = None, **more: Any) -> dict[str, Any]:
        """Send a request and return the JSON object of the answer. Raises `OidcError`, whose message has no part of the
        request.

        No redirection is followed. Another host than the issuer's must have a public address, so that a forged document
        cannot lead into the own network.
        """
        host = urlsplit(url).hostname or ""
        own = host == urlsplit(self.options.issuer).hostname
        try:
            async with (
                asyncio.timeout(LIMIT),
                httpx2.AsyncClient(timeout=None, trust_env=False, verify=tls(), event_hooks=within(LARGEST)) as client,
            ):
                more |= {"headers": {"Accept": "application/json"}, "auth": auth}
                response = await ask(client, method, httpx2.URL(url), NAMES, anywhere if own else public, **more)
                try:
                    return _object(response.status_code, await response.aread(), host)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise OidcError(f"{host} gives no answer within {LIMIT:g} s", "unreachable") from None
        except PrivateAddress as error:
            raise OidcError(f"its document leads into a private network: {error}") from None
        except TooLargeError as error:
            raise OidcError(f"{host} cannot be used: {error}") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError, PoolFullError) as error:
            problem = f"{host} cannot be asked: {type(error).__name__}: {error}"[:200]
            raise OidcError(problem, "unreachable") from None


def read(document: Mapping[str, Any], options: OidcOptions) -> Metadata:
    """Check a discovery document. Raises `OidcError`."""
    issuer = document.get("issuer")
    if issuer != options.issuer:
        raise OidcError(f"its document is that of the issuer {str(issuer)[:200]!r}", "issuer")
    found = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        url = document.get(name)
        url = url if isinstance(url, str) else ""
        reason = unusable(url) if url else "there is none"
        if not reason and url.startswith("http:") and not is_loopback(urlsplit(issuer).hostname or ""):
            reason = "it must begin with https://"
        if reason:
            raise OidcError(f"its {name} is not used: {reason}")
        found[name] = url
    if "code" not in _texts(document, "response_types_supported", ("code",)):
        raise OidcError("it does not offer response_type=code")
    if "S256" not in _texts(document, "code_challenge_methods_supported", ("S256",)):  # Entra ID does not list them
        raise OidcError("it does not offer PKCE with S256")
    if not set(ALGORITHMS).intersection(_texts(document, "id_token_signing_alg_values_supported", ALGORITHMS)):
        raise OidcError(f"it signs ID tokens by none of {', '.join(ALGORITHMS)}")
    methods = _texts(document, "token_endpoint_auth_methods_supported", ("client_secret_basic",))
    wanted = ("client_secret_basic", "client_secret_post") if options.client_secret else ("none",)
    if options.client_secret and not set(wanted).intersection(methods):
        raise OidcError("it takes no client secret; leave client_secret empty if the client is public")
    return Metadata(
        **found,
        by_post="client_secret_basic" not in methods,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _texts(document: Mapping[str, Any], name: str, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    found = document.get(name, otherwise)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list | tuple) else ()


def _object(status: int, data: bytes, host: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if status != 200:
        said = found.get("error") if isinstance(found, dict) else None  # RFC 6749 §5.2
        known = f": {said}" if isinstance(said, str) and said in ERRORS else ""
        raise OidcError(f"{host} answers {status}{known}", "refused" if status in (400, 401) else "unreachable")
    if not isinstance(found, dict):
        raise OidcError(f"{host} answers with no JSON object")
    return found


ERRORS = (
    "access_denied", "consent_required", "interaction_required", "invalid_client", "invalid_grant", "invalid_request",
    "invalid_scope", "login_required", "server_error", "temporarily_unavailable", "unauthorized_client",
    "unsupported_grant_type", "unsupported_response_type",
)  # fmt: skip
"""Error codes of providers that our messages repeat (RFC 6749 §4.1.2.1, §5.2, OpenID Connect Core §3.1.2.6)."""


def _now() -> float:
    return asyncio.get_running_loop().time()
