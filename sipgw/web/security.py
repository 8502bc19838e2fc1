"""Middleware of all pages: checks of Host and Origin, authentication, CSRF, and the headers of each response."""

import ipaddress
import secrets
import socket
from collections.abc import Collection
from urllib.parse import quote, urlsplit

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sipgw.config.networks import is_loopback
from sipgw.web.authentication import Authentication
from sipgw.web.principal import NOBODY, Principal

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; media-src 'self' blob:{media}; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors {ancestors}"
)
"""Content-Security-Policy: scripts and styles come from our files. A vendored script may create a style with the
nonce."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}
SAFE = ("GET", "HEAD", "OPTIONS")
PUBLIC = (
    "/sign-in", "/sign-in/oidc", "/sign-in/oidc/callback", "/setup", "/static/", "/healthz", "/readyz",
    "/embed", "/embed.js", "/embed/",
)  # fmt: skip
"""Paths that need no sign-in: exact paths, and prefixes that end with a slash."""
API = "/api/"
STATIC = "/static/"
"""Path of our static files, which are the same for all users."""
METRICS = "/metrics"
BODY = 256 * 1024
"""Largest body of a request, in bytes."""
LARGER = {"/api/v1/campaigns": 4 * 1024 * 1024, "/api/v1/campaigns/dry-run": 4 * 1024 * 1024}
"""Largest body of requests with a file, in bytes, by path."""
COOKIE = "sipgw_session"
NO_DATABASE = "the database does not answer"


def is_ours(header: str, names: Collection[str]) -> bool:
    """Whether a Host header (RFC 9110 §7.2) names us: an address, ``localhost``, this machine, or one of `names`.

    Against DNS rebinding: a foreign page can let its own name resolve to our address; the Host header has that name
    then. Nobody else can own an address, so addresses always pass.
    """
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
    """Whether a changing request comes from a page of ours, or from a program without a page.

    `origin` is the Origin header (RFC 6454), `site` Sec-Fetch-Site. Browsers send at least one of them.
    """
    if site is not None and site not in ("same-origin", "none"):
        return False
    if origin is None:
        return True
    return urlsplit(origin).netloc.lower() == host.lower() if origin != "null" else False


class SecurityMiddleware:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, auth: Authentication, names: Collection[str], storage: str = "") -> None:
        """`names` of the Host header are ours; recordings are played from the origin `storage`, too."""
        self._app = app
        self._media = f" {storage}" if storage else ""
        self._auth = auth
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers, nonce = Headers(scope=scope), secrets.token_urlsafe(16)
        scope["nonce"], scope["who"] = nonce, NOBODY
        scope["secure"] = scope["scheme"] in ("https", "wss") or self._auth.secure(local=is_local(scope, headers))
        answer = self._stranger(scope, headers)
        if answer is None:
            try:
                answer = await self._unwelcome(scope, headers)
            except SQLAlchemyError:
                answer = JSONResponse({"detail": NO_DATABASE}, 503)

        async def dressed(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                kept = scope["path"].startswith(STATIC)
                add_headers(MutableHeaders(scope=message), nonce, self._media, kept=kept)
            await send(message)

        await (answer or self._app)(scope, receive, dressed)

    def _stranger(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        host = headers.get("host", "")
        if not is_ours(host, self._names):
            return _refused(scope, 421, "This name is not ours. Set [web] names if it should be.")
        if may_change(scope) and not same_origin(headers.get("origin"), host, headers.get("sec-fetch-site")):
            return _refused(scope, 403, "This request comes from another site.")
        if "transfer-encoding" in headers:
            return _refused(scope, 411, "Say how long the request is.")
        if int(headers.get("content-length") or 0) > LARGER.get(
            scope["path"], BODY
        ):  # the server has checked that it is a number
            return _refused(scope, 413, "This request is too long.")
        return None

    async def _unwelcome(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        if not is_local(scope, headers) and await self._auth.is_open():
            return _refused(scope, 403, "This comes through a proxy. Set a password first: sipgw web password")
        cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name(secure=scope["secure"]), "")
        who = scope["who"] = await self._auth.who(cookie, headers.get("authorization", ""))
        return _unauthenticated(scope, who) or _forged(scope, headers, who)


def _refused(scope: Scope, status: int, why: str) -> ASGIApp:
    """A refusal that is sent before any page gets the request: JSON for programs, a line of text for people."""
    if scope["path"].startswith(API):
        return JSONResponse({"detail": why}, status)
    return PlainTextResponse(f"{why}\n", status)


def may_change(scope: Scope) -> bool:
    """Whether a request may change something."""
    return scope["type"] == "websocket" or scope["method"] not in SAFE


def is_local(scope: Scope, headers: Headers) -> bool:
    """Whether a request comes from this machine, and not through a proxy on it."""
    client = scope.get("client")
    through = any(name in headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via"))
    return not through and client is not None and is_loopback(client[0])


def is_public(path: str) -> bool:
    """Whether a path needs no sign-in."""
    return any(path == there or (there.endswith("/") and path.startswith(there)) for there in PUBLIC)


def _unauthenticated(scope: Scope, who: Principal) -> ASGIApp | None:
    path = scope["path"]
    for_programs = path.startswith(API) or path == METRICS
    if is_public(path) or (for_programs and who is not NOBODY) or who.may("viewer"):
        return None
    if for_programs:
        return JSONResponse({"detail": "a valid key or a session is needed"}, 401, {"WWW-Authenticate": "Bearer"})
    if may_change(scope):
        return PlainTextResponse("Sign in first.\n", 401)
    return RedirectResponse(f"/sign-in?next={quote(asked(scope))}", 303)


def asked(scope: Scope) -> str:
    """Path and query of a request as they were sent, so that after the sign-in a search form has its words again."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (path + (b"?" + query if query else b"")).decode("latin-1")


def _forged(scope: Scope, headers: Headers, who: Principal) -> ASGIApp | None:
    """The refusal of a request without the right CSRF token; None if it may pass. Changing requests with a cookie, and
    all changing requests of browsers, need the token of their page."""
    if not may_change(scope) or scope["type"] == "websocket" or is_public(scope["path"]) or not who.csrf:
        return None
    browser = "origin" in headers or "sec-fetch-site" in headers
    if not who.signed_in and not browser and scope["path"].startswith(API):
        return None  # a program on this machine
    if secrets.compare_digest(headers.get("x-csrf-token", "").encode(), who.csrf.encode()):
        return None
    return JSONResponse({"detail": "X-CSRF-Token is missing or old; load the page again"}, 403)


def cookie_name(*, secure: bool) -> str:
    """The name of the session's cookie; under https one that no other host can plant (RFC 6265bis §4.1.3.2)."""
    return f"__Host-{COOKIE}" if secure else COOKIE


def session_cookie(token: str, age: int | None = None, *, secure: bool) -> str:
    """The Set-Cookie of a session; an `age` of 0 removes it. `secure`: the browser speaks https."""
    limit = "" if age is None else f"; Max-Age={age}"
    name, only = cookie_name(secure=secure), "; Secure" if secure else ""
    return f"{name}={token}; Path=/; HttpOnly; SameSite=Strict{only}{limit}"


def policy(nonce: str, media: str = "", ancestors: str = "'none'") -> str:
    """The Content-Security-Policy of a page: `media` are more sources of sound, `ancestors` may show it in a frame."""
    return POLICY.format(nonce=nonce, media=media, ancestors=ancestors)


def add_headers(headers: MutableHeaders, nonce: str, media: str = "", *, kept: bool) -> None:
    """Add the headers of every response; `media` are more sources of sound; `kept`: the browser may keep it, and asks
    each time whether it has changed.
    """
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", policy(nonce, media))
    headers.setdefault("Cache-Control", "no-cache" if kept else "no-store")
