"""``python -m tests.fakes.mcp_server [PORT]``: a customer register as an MCP server, on stdio or streamable HTTP."""

import os
import sys
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

server = MCPServer("register")
orders: list[str] = []


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def find_customer(number: str) -> dict[str, Any]:
    """Who has this telephone number."""
    if number == "+15550000":
        raise ToolError("the register is closed")
    return {"name": "Ann Smith", "number": number, "process": os.getpid(), "token": os.environ.get("TOKEN", "")}


@server.tool(annotations=ToolAnnotations(read_only_hint=False))
def order(item: str, count: int, idempotency_key: str) -> dict[str, Any]:
    """Order something."""
    orders.append(idempotency_key)
    return {"item": item, "count": count, "key": idempotency_key, "orders": len(orders)}


@server.tool()
def forbidden() -> str:
    """No agent of the tests may call this."""
    return "?"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
