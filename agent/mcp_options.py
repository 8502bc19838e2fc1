"""Options of MCP servers; `agent.mcp_tools`, which needs the MCP package, connects to them."""

from dataclasses import dataclass, field


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
    """Its environment beside PATH, HOME and the like, as ``"CRM_KEY=${CRM_KEY}"``."""
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
            raise ValueError("an MCP server has either a command or a url")
        if not self.tools:
            raise ValueError('name the tools that the agent may call, or "*" for all of them')
        if both := sorted({*self.reads} & {*self.changes, *self.confirm}):
            raise ValueError(f"{both[0]} cannot both read only and change something")
        if stray := sorted(
            {*self.reads, *self.changes, *self.confirm} - {*self.tools} if "*" not in self.tools else ()
        ):
            raise ValueError(f"{stray[0]} is not one of the tools: {', '.join(self.tools)}")
        if self.url and not self.url.startswith(("https://", "http://")):
            raise ValueError("url must begin with https:// or http://")
        if min(self.timeout, self.connect_limit) <= 0:
            raise ValueError("time limits must be positive")
        for text, mark in (*((one, "=") for one in self.env), *((one, ":") for one in self.headers)):
            if mark not in text:
                raise ValueError(f"a line of env is NAME=value, a line of headers Name: value; {mark!r} is missing")
