"""TLS for programs that have none: ``python -m tests.interop.tls_bridge PORT CA`` leads each connection on to PORT."""

import asyncio
import contextlib
import ssl
import sys


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def main() -> None:
    context = ssl.create_default_context(cafile=sys.argv[2])

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]), ssl=context)
        async with asyncio.TaskGroup() as group:
            group.create_task(copy(reader, far[1]))
            group.create_task(copy(far[0], writer))

    server = await asyncio.start_server(lead, "127.0.0.1", 0)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
