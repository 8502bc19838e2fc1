"""The two addresses of a sign-in by an identity provider: its beginning, and the way back."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from sipgw.web.accounts import SIGNED_IN
from sipgw.web.authentication import BY_PROVIDER
from sipgw.web.oidc.flow import COOKIE, PATH, SignIn, over
from sipgw.web.oidc.identity import OidcIdentity, UnknownKey, UntrustedToken, identify
from sipgw.web.oidc.provider import ERRORS, OidcError, OidcProvider
from sipgw.web.principal import Principal, address
from sipgw.web.security import session_cookie
from sipgw.web.sessions import IdentityClaims
from sipgw.web.sign_in import SLOWLY, inside, sign_in_page
from sipgw.web.state import App, Here, page
from sipgw.web.throttle import TooManyAttempts

log = structlog.get_logger()
router = APIRouter()

AWAY = "The identity provider cannot be used now. The log of the gateway says why."
FAILED = "The sign-in by the identity provider failed. Begin again. If it fails again, the log of the gateway says why."
NOT_YOURS = "This sign-in did not begin in this browser, or took longer than ten minutes. Begin again at {url}"
NO_ROLE = "The identity provider knows you, but none of your groups may use this dashboard. Ask who runs the gateway."

SEVERAL = "Your groups belong to more than one company here, so you cannot be let in. Ask who runs the gateway."


@router.get(PATH)
async def begin(request: Request, app: Here, next: str = "/") -> Response:  # noqa: A002  the name in the address
    """Send the browser to the provider."""
    provider, where = _provider(app), inside(next)
    if request.headers.get("sec-fetch-site") not in (None, "none", "same-origin"):
        return sign_in_page(request, where)  # a page of another site must not start a sign-in
    flow = SignIn.begin(where, _today())
    try:
        there = await provider.authorization(flow)
    except OidcError as error:
        log.warning("the identity provider cannot be used", cause=str(error))
        return sign_in_page(request, where, AWAY, 503)
    return RedirectResponse(there, 303, {"Set-Cookie": flow.cookie(provider.options.url)})


@router.get(f"{PATH}/callback")
async def callback(
    request: Request, app: Here, code: Annotated[str, Query(max_length=4096)] = "",
    state: Annotated[str, Query(max_length=512)] = "", iss: Annotated[str, Query(max_length=2048)] = "",
    error: Annotated[str, Query(max_length=512)] = "",
) -> Response:  # fmt: skip
    """Sign in a person whom the provider sends back with a code (OpenID Connect Core §3.1.2.5)."""
    provider, flow = _provider(app), SignIn.read(request.cookies.get(COOKIE, ""), _today())
    url = provider.options.url
    once = len(request.query_params.multi_items()) == len(request.query_params)  # RFC 6749 §3.1
    where = inside(flow.where) if flow else "/"
    if flow is None or not once or not flow.answers(state):
        made: Response = sign_in_page(request, where, NOT_YOURS.format(url=url), 400)
    else:
        try:
            app.auth.by_provider.take(address(request), _now())
            if error:
                known = error if error in ERRORS else "an error"
                raise OidcError(f"it sends {known} instead of a code", "refused")
            made = await _enter(request, app, await _identity(provider, code, iss, flow), where)
        except TooManyAttempts:
            made = sign_in_page(request, where, SLOWLY, 429)
        except (OidcError, UntrustedToken) as refusal:
            log.warning("a sign-in by the identity provider failed", cause=str(refusal), address=address(request))
            away = isinstance(refusal, OidcError) and refusal.fault != "refused"
            problem = AWAY if away else FAILED
            await app.auth.accounts.refused(BY_PROVIDER, address(request), str(refusal))
            made = sign_in_page(request, where, problem, 503 if away else 401)
    made.headers.append("Set-Cookie", over(url))
    return made


async def _identity(provider: OidcProvider, code: str, iss: str, flow: SignIn) -> OidcIdentity:
    """The identity of the person for whom the provider has made `code`. Raises `OidcError`, `UntrustedToken`."""
    options = provider.options
    if (iss or (await provider.metadata()).names_itself) and iss != options.issuer:  # RFC 9207 §2.4
        raise UntrustedToken("the answer is that of another issuer")
    if not code:
        raise UntrustedToken("the answer has no code")
    token = await provider.exchange(code, flow)
    try:
        return identify(token, await provider.keys(), options, flow.nonce, _today())
    except UnknownKey:
        return identify(token, await provider.keys(again=True), options, flow.nonce, _today())


async def _enter(request: Request, app: App, who: OidcIdentity, where: str) -> Response:
    options, groups = _provider(app).options, app.auth.groups
    access, name, came = groups.of(who.groups), f"{BY_PROVIDER}{who.handle}", address(request)
    detail = f"{who.subject} of {options.issuer}"
    if access is None:
        several = [one.tenant or "all" for one in groups.all(who.groups)]
        why = f"groups of more than one tenant, {', '.join(several)}" if several else "no group with a role"
        await app.auth.accounts.refused(name, came, f"{why}: {detail}")
        return sign_in_page(request, where, SEVERAL if several else NO_ROLE, 403)
    app.auth.by_provider.succeeded(came, _now())
    claims = IdentityClaims(options.issuer, who.subject, tuple(sorted(who.groups)))
    token = await app.auth.enter(name, access.role, claims, access.tenant)
    role = f"{access.role} of {access.tenant}" if access.tenant else access.role
    person = Principal.named(name, access.tenant)
    await app.auth.accounts.note(person, access.tenant, SIGNED_IN, role, detail, came)
    # No redirection: the browser came from another site, so it would not send the cookie, which is SameSite=Strict.
    made = page(request, "signed_in.html", title="Signed in", next=where)
    made.headers["Set-Cookie"] = session_cookie(token, secure=request.scope["secure"])
    return made


def _provider(app: App) -> OidcProvider:
    if app.oidc is None:
        raise HTTPException(404, "There is no identity provider.")
    return app.oidc


def _now() -> float:
    return asyncio.get_running_loop().time()


def _today() -> float:
    return datetime.now(UTC).timestamp()
