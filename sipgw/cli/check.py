"""``sipgw check``: validates the configuration before any call."""

from rich.markup import escape

from sipgw.agents.agents import Agents
from sipgw.config.agent_files import load_all
from sipgw.config.config import ConfigError, GatewayConfig
from sipgw.console import ConfigFile, one_line_errors, out


def check(config: ConfigFile = None) -> None:
    """Validate the configuration and say which providers will be used."""
    with one_line_errors():
        settings, agents = load_all(config)
        every = Agents(settings, agents)
        for one in every.all.values():
            tools = len(one.tools)
            out.print(f"agent  {one.name}: {one.choice}" + (f", {tools} tools of its own" if tools else ""))
        for note in every.notes:
            out.print(f"[yellow]note[/]   {escape(note)}", soft_wrap=True)
        if lacking := every.unspoken():
            raise ConfigError("; ".join(lacking))
        _say_who_may_call(settings)
        out.print("[green]the configuration is valid[/]")


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
