"""``sipgw web``: passwords and keys, from the command line."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar, cast

import typer

from agent.lookups import run_main
from sipgw.cli.database import database
from sipgw.config.config import load
from sipgw.config.log import LogOptions
from sipgw.console import ConfigFile, one_line_errors
from sipgw.telemetry import log
from sipgw.web.accounts import ADMIN, AccountError, Accounts
from sipgw.web.principal import SCOPES, Principal, Role

T = TypeVar("T")
TERMINAL = Principal.named("terminal")
"""The user under whose name the audit log records these commands."""

web = typer.Typer(no_args_is_help=True, help="Passwords of the dashboard, keys of the REST interface.")
key = typer.Typer(no_args_is_help=True, help="Keys for programs.")
web.add_typer(key, name="key")


def _with_accounts(config: Path | None, work: Callable[[Accounts], Awaitable[T]]) -> T:
    async def run() -> T:
        async with database(load(config).store) as store:
            return await work(Accounts(store))

    log.configure(LogOptions(level="warning"))
    with one_line_errors():
        return run_main(run())


def _tenant(name: str, config: Path | None) -> str:
    """`name`, if it is empty or the name of a tenant in the configuration. Raises `AccountError` for another name."""
    there = [one.name for one in load(config).tenants]
    if name and name not in there:
        raise AccountError(f"there is no tenant {name!r} in [[tenants]]; there are: {', '.join(there) or 'none'}")
    return name


@web.command()
def password(
    user: Annotated[str, typer.Option(help="The user whose password it is.")] = ADMIN,
    role: Annotated[
        str | None, typer.Option(help="viewer, operator or admin; without it a user keeps the role.")
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(help='Tenant whose calls the user sees; without it a user keeps the tenant, "" is none.'),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Set a password. If there is no user of that name, make one; --role is needed then."""
    chosen = typer.prompt("Password", hide_input=True, confirmation_prompt=True)

    async def change(accounts: Accounts) -> Role:
        whose = None if tenant is None else _tenant(tenant, config)
        given = await accounts.set_user(user, cast(Role | None, role), chosen, whose)
        await accounts.note(TERMINAL, await accounts.tenant(user) or "", "set a password", user, given)
        return given

    given = _with_accounts(config, change)
    typer.echo(f"{user} may sign in as {given}; from now on the dashboard is shown to nobody who has not signed in")


@web.command()
def users(config: ConfigFile = None) -> None:
    """Users of the dashboard."""
    for name, role in _with_accounts(config, Accounts.users).items():
        typer.echo(f"{name}  {role}")


@web.command()
def remove(user: Annotated[str, typer.Argument(help="The user.")], config: ConfigFile = None) -> None:
    """Remove a user; their sessions end within a minute."""

    async def leave(accounts: Accounts) -> None:
        whose = await accounts.tenant(user) or ""
        await accounts.remove_user(user)
        await accounts.note(TERMINAL, whose, "removed a user", user)

    _with_accounts(config, leave)
    typer.echo(f"{user} may not sign in any more")


@web.command()
def sign_out(
    user: Annotated[str, typer.Argument(help="The user, by the name in the audit log.")],
    config: ConfigFile = None,
) -> None:
    """End all sessions of a user within a minute, also if the user signed in at the identity provider."""

    async def end(accounts: Accounts) -> int:
        whose = await accounts.tenant_of_sessions(user)
        ended = await accounts.sign_out(user)
        await accounts.note(TERMINAL, whose, "ended sessions", user, str(ended))
        return ended

    typer.echo(f"sessions ended: {_with_accounts(config, end)}")


@key.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What the key is for.")] = "key",
    scope: Annotated[
        list[str] | None, typer.Option(help=f"What the key may do; may be given more than once: {', '.join(SCOPES)}.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Tenant whose calls the key reaches; without it all.")] = "",
    config: ConfigFile = None,
) -> None:
    """Make a key and print it; it is not printed again."""

    async def make(accounts: Accounts) -> str:
        whose = _tenant(tenant, config)
        made = await accounts.add_key(name, scope or (), whose)
        await accounts.note(TERMINAL, whose, "made a key", name, " ".join(scope or ()))
        return made

    typer.echo(_with_accounts(config, make))


@key.command("list")
def show(config: ConfigFile = None) -> None:
    """All keys, without their secrets."""
    for one in _with_accounts(config, Accounts.keys):
        typer.echo(f"{one.id}  {one.name}  {' '.join(sorted(one.scopes))}{f'  of {one.tenant}' if one.tenant else ''}")


@key.command()
def revoke(
    id: Annotated[str, typer.Argument(help="The id that `sipgw web key list` shows.")],  # noqa: A002
    config: ConfigFile = None,
) -> None:
    """Make a key invalid at once."""

    async def end(accounts: Accounts) -> None:
        if (whose := await accounts.revoke(id)) is None:
            raise AccountError(f"there is no key {id!r}")
        await accounts.note(TERMINAL, whose, "revoked a key", id)

    _with_accounts(config, end)
    typer.echo("revoked")
