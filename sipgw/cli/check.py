"""``sipgw check``: validates the configuration before any call."""

from pathlib import Path

from rich.markup import escape

from agent.rules.rule_error import RuleError
from media.fast import used
from sipgw.agents.agents import Agents
from sipgw.config.agent_files import load_all
from sipgw.config.config import GatewayConfig
from sipgw.config.errors import ConfigError
from sipgw.config.oidc import OidcOptions
from sipgw.config.stir import StirOptions
from sipgw.console import ConfigFile, one_line_errors, out
from sipgw.policy.stir.certificates import load_roots
from sipgw.policy.stir.signer import StirSigner


def check(config: ConfigFile = None) -> None:
    """Validate the configuration and say which providers will be used."""
    with one_line_errors():
        every = verified(config)
        settings = every.config
        for one in every.all.values():
            tools = len(one.tools)
            out.print(f"agent  {one.name}: {one.choice}" + (f", {tools} tools of its own" if tools else ""))
        for note in every.notes:
            out.print(f"[yellow]note[/]   {escape(note)}", soft_wrap=True)
        _say_who_may_call(settings)
        _say_who_vouches(settings.stir)
        _say_who_signs_in(settings.web.oidc)
        if settings.storage.url:
            out.print(f"files  go to {escape(settings.storage.url)}; sipgw doctor tries it", soft_wrap=True)
        out.print(f"media  {used(settings.media.fast)}", soft_wrap=True)
        out.print("[green]the configuration is valid[/]")


def _say_who_signs_in(options: OidcOptions) -> None:
    if options.issuer:
        groups = len({*options.viewers, *options.operators, *options.admins})
        out.print(f"people sign in by {escape(options.issuer)}: {groups} groups have a role", soft_wrap=True)
        out.print(f"       it must know the redirect URI {escape(options.redirect_uri)}", soft_wrap=True)


def verified(config: Path | None) -> Agents:
    """The agents of the files, which a gateway could start with. Raises `ConfigError`, with a line for each fault."""
    every = Agents(*load_all(config))
    if lacking := every.unspoken():
        raise ConfigError("\n".join(lacking))
    try:
        if every.config.stir.roots:
            load_roots(every.config.stir.roots)
        if every.config.stir.key:
            StirSigner(every.config.stir)
    except RuleError as error:
        raise every.config.explained(error) from None
    return every


def _say_who_vouches(options: StirOptions) -> None:
    if options.roots:
        out.print(f"stir   signed numbers of callers are verified: {len(load_roots(options.roots))} authorities")
    if options.key:
        out.print(f"stir   calls out are signed with attestation {options.attest}")


def _say_who_may_call(settings: GatewayConfig) -> None:
    for trunk in settings.trunks:
        proof = " and a password" if trunk.proof == "digest" else ""
        where = trunk.registrar or ", ".join(trunk.networks) or "the networks of its accounts"
        out.print(f"trunk  {trunk.name}: {trunk.mode} {where}{proof}", soft_wrap=True)
        if trunk.domain_uri is not None and not trunk.caller_id and trunk.number_format != "as_dialled":
            out.print(f"[yellow]note[/]   calls out through {trunk.name} need 'caller_id', a number of yours there")
        if trunk.transfer_uri is not None:
            out.print(f"       callers are transferred to {escape(str(trunk.transfer_uri))}", soft_wrap=True)
    for account in settings.accounts:
        out.print(f"phone  {account.user}: with its password from {', '.join(account.networks)}", soft_wrap=True)
    if not settings.trunks and not settings.accounts:
        out.print("trunk  local: loopback and private networks")
