"""Signing in and out, and the first password."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.web.accounts import LEAST, MOST, AccountError
from sipgw.web.principal import ViewerRole, address
from sipgw.web.security import NO_DATABASE, cookie_name, session_cookie
from sipgw.web.state import App, Here, note, page
from sipgw.web.tenant_view import by_tenant
from sipgw.web.throttle import TooManyAttempts

router = APIRouter()
Password = Annotated[str, Form(max_length=MOST)]
SLOWLY = "Too many tries. Wait a minute."


@router.get("/sign-in")
async def form(
    request: Request, app: Here, next: str = "/", over: bool = False  # noqa: A002  the name in the address
) -> Response:  # fmt: skip
    """The sign-in form. `over`: the reader's session has just ended, as an invalid cookie also shows."""
    over = over or cookie_name(secure=request.scope["secure"]) in request.cookies
    return sign_in_page(request, inside(next), setup=await app.auth.expects_setup(), over=over)


@router.post("/sign-in")
async def sign_in(
    request: Request, app: Here, name: Annotated[str, Form(max_length=64)], password: Password,
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:  # fmt: skip
    """Sign a user in by name and password."""
    try:
        token = await app.auth.sign_in(name, password, address(request))
    except TooManyAttempts:
        problem, status = SLOWLY, 429
    else:
        if token:
            return _enter(request, token, inside(next))
        problem, status = "This name and password do not belong together.", 401
    return sign_in_page(request, inside(next), problem, status)


@router.post("/sign-out")
@by_tenant
async def sign_out(request: Request, app: Here, _who: ViewerRole) -> Response:
    """End the session."""
    secure = request.scope["secure"]
    gone = {"Set-Cookie": session_cookie("", 0, secure=secure)}
    try:
        await app.auth.sign_out(request.cookies.get(cookie_name(secure=secure), ""))
    except SQLAlchemyError:
        return PlainTextResponse(f"You are signed out here; {NO_DATABASE}.\n", 503, gone)
    await note(request, "signed out")
    return Response(status_code=204, headers=gone)


@router.get("/setup")
async def setup_form(request: Request, app: Here, token: str = "") -> Response:
    """The page for the first password; the terminal shows its link."""
    await _expects_setup(app)
    return page(request, "setup.html", title="Welcome", token=token, problem="", least=LEAST)


@router.post("/setup")
async def setup(request: Request, app: Here, token: Annotated[str, Form()], password: Password) -> Response:
    """Set the first password."""
    await _expects_setup(app)
    try:
        entered = await app.auth.set_up(token, password, address(request))
    except TooManyAttempts:
        problem = SLOWLY
    except AccountError as error:
        problem = str(error)
    else:
        if entered:
            return _enter(request, entered, "/")
        problem = "This link is not the one that the gateway printed."
    return page(request, "setup.html", status=400, title="Welcome", token=token, problem=problem, least=LEAST)


async def _expects_setup(app: App) -> None:
    if not await app.auth.expects_setup():
        raise HTTPException(404, "The first password is set already.")


def _enter(request: Request, token: str, where: str) -> Response:
    return RedirectResponse(where, 303, {"Set-Cookie": session_cookie(token, secure=request.scope["secure"])})


def sign_in_page(
    request: Request, where: str, problem: str = "", status: int = 200, *, setup: bool = False, over: bool = False
) -> HTMLResponse:
    """The sign-in form, which leads to the page `where`."""
    provider = App.of(request).oidc
    return page(
        request, "sign_in.html", status=status, title="Sign in", next=where, problem=problem, setup=setup,
        over=over, provider=provider.options.label if provider else "",
    )  # fmt: skip


def inside(path: str) -> str:
    """`path`, if it is a path of this site; else the path of the first page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"
