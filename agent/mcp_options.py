"""Options of MCP servers; `agent.mcp_tools`, which needs the MCP package, connects to them."""

from dataclasses import dataclass, field

from agent.rules.rule_error import RuleError, positive


@dataclass(frozen=True)
class McpOptions:
    """One server, and the tools of it that an agent may use."""

    name: str
    """For logs and errors."""
    tools: tuple[str, ...]
    """The tools that the agent may call, by the server's names; ``"*"`` is all of them."""
    command: tuple[str, ...] = field(default=(), metadata={"hidden": True})
    """Program and arguments of a server that is run here and spoken with by stdio."""
    env: tuple[str, ...] = field(default=(), repr=False)
    """Environment of that program beside PATH, HOME and the like, as ``"CRM_KEY=${CRM_KEY}"``."""
    url: str = ""
    """Address of a server that is spoken with by streamable HTTP."""
    headers: tuple[str, ...] = field(default=(), repr=False)
    """Headers of every request, as ``"Authorization: Bearer ${CRM_TOKEN}"``."""
    changes: tuple[str, ...] = ()
    """Tools that change something although the server says that they are read-only: in one call the same arguments run
    them once."""
    reads: tuple[str, ...] = ()
    """Tools that change nothing although the server does not say so. Every other that it does not call read-only counts
    as one that changes something, as the specification has it."""
    confirm: tuple[str, ...] = ()
    """Tools that the caller must say yes to first."""
    timeout: float = 8.0
    """Seconds until a call of a tool is given up."""
    connect_limit: float = field(default=5.0, metadata={"fixed": True})
    """Seconds that the server has to be ready."""

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise RuleError("an MCP server has either a command or a url", "url", "command", "name")
        if not self.tools:
            raise RuleError('name the tools that the agent may call, or "*" for all of them', "tools", "name")
        if both := sorted({*self.reads} & {*self.changes, *self.confirm}):
            raise RuleError(f"{both[0]} cannot both read only and change something", "reads", "changes", "confirm")
        for name in ("reads", "changes", "confirm"):
            if "*" not in self.tools and (stray := sorted({*getattr(self, name)} - {*self.tools})):
                raise RuleError(f"{stray[0]} is not one of the tools: {', '.join(self.tools)}", name)
        if self.url and not self.url.startswith(("https://", "http://")):
            raise RuleError("must begin with https:// or http://", "url")
        positive(self, "timeout", "connect_limit")
        for name, form in (("env", "NAME=value"), ("headers", "Name: value")):
            mark = "=" if name == "env" else ":"
            if any(mark not in line for line in getattr(self, name)):
                raise RuleError(f"a line of {name} is {form}; {mark!r} is missing", name)
