"""Serves the dashboard inside the gateway's event loop."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import structlog
import uvicorn

from sipgw.agents.prompt_files import PromptFiles
from sipgw.config.errors import OperatorError
from sipgw.config.web import PORT, WebOptions
from sipgw.sip.boundaries import lasting
from sipgw.sip.uri import format_host_port
from sipgw.web.accounts import Accounts
from sipgw.web.app import application
from sipgw.web.authentication import Authentication
from sipgw.web.connections import Connections, LimitedProtocol
from sipgw.web.feed import Feed
from sipgw.web.gateway_view import GatewayView
from sipgw.web.local_key import published
from sipgw.web.security import BODY

log = structlog.get_logger()

TRIED = 10
"""Number of ports that are tried, from the default port on."""
GOODBYE_LIMIT = 2
"""Seconds that requests have to end when the gateway stops."""


class WebError(OperatorError):
    """The dashboard cannot be served; the message is one line that says what to do."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End when the requests that are under way are answered."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """Set the date of the answers once a second, and wait for the end; uvicorn's own loop wakes ten times a
        second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stopped.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: the command line handles signals."""
        yield


async def _serve(server: _Server, listening: socket.socket) -> None:
    """Serve until the server is stopped. `listening` stays open, so that it can be served again after an error."""
    try:
        await server.serve([listening.dup()])
    except Exception:
        await server.shutdown()
        raise


class Dashboard:
    """The dashboard of a running gateway. Use it as an async context manager."""

    def __init__(
        self,
        gateway: GatewayView,
        options: WebOptions,
        commands: Path | None = None,
        prompts: PromptFiles | None = None,
    ) -> None:
        """`commands` is the file by which commands on this machine find the gateway; None: they cannot find it.
        `prompts` are the files from which the gateway was started."""
        self.url = ""
        """The address of the dashboard; empty if it is not served."""
        self.setup_url = ""
        """The address at which the first password is set; empty if a password is set."""
        self._gateway = gateway
        self._options = options
        self._commands = commands
        self._prompts = prompts
        self._feed = Feed(lambda: gateway.calls)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        if not self._options.enabled:
            return self
        auth = Authentication(self._options, Accounts(self._gateway.store), self._gateway.config.tenants)
        await auth.prepare()
        listening = listen(self._options)
        self._stack.callback(listening.close)
        host, port = listening.getsockname()[:2]
        if self._options.port not in (0, port):
            log.warning("the dashboard listens elsewhere", taken=self._options.port, port=port)
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self.url = f"http://{format_host_port(shown, port)}/"
        if self._commands:
            auth.local = self._stack.enter_context(published(self._commands, self.url))
        self.setup_url = f"{self.url}setup?token={auth.setup}" if auth.setup else ""
        served = application(self._gateway, self._options, self._feed, auth, self._prompts)
        await self._stack.enter_async_context(served.state.app.prompts.comparisons)
        proxies = self._options.proxies
        connections = Connections(proxies)
        config = uvicorn.Config(
            connections.bounded(served), http=partial(LimitedProtocol, connections),  # type: ignore[arg-type]
            log_config=None, access_log=False, lifespan="off",
            ws="websockets-sansio", ws_max_size=BODY, ws_per_message_deflate=False,
            timeout_graceful_shutdown=GOODBYE_LIMIT,
            server_header=False,
            # A TLS proxy supplies the client address and the scheme https.
            proxy_headers=True, forwarded_allow_ips=list(proxies),
        )  # fmt: skip
        server = _Server(config)
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        feeding = group.create_task(lasting(self._feed.run, "the live pages are not told"), name="dashboard feed")
        ends = auth.accounts.sign_outs.run
        writing = group.create_task(lasting(ends, "sign-outs are not written"), name="sign-outs")
        serving = partial(_serve, server, listening)
        group.create_task(lasting(serving, "the dashboard does not answer"), name="dashboard")

        def stop() -> None:
            feeding.cancel()
            writing.cancel()
            self._feed.close()
            server.stop()

        self._stack.callback(stop)
        return self

    async def close(self) -> None:
        """End the dashboard: it takes no more requests."""
        await self._stack.aclose()

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def ports(options: WebOptions) -> Sequence[int]:
    """The ports that are tried, in order."""
    return range(PORT, PORT + TRIED) if options.port == PORT else (options.port,)


def listen(options: WebOptions) -> socket.socket:
    """A listening socket. If the default port is taken, the next free port is used. Raises `WebError`."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    tried = ports(options)
    for port in tried:
        # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms for its body.
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((options.host, port))
            made.listen(128)
        except OSError as error:
            made.close()
            if error.errno == errno.EADDRINUSE and port != tried[-1]:
                continue
            advice = "set [web] port or host to another, or enabled to false"
            where = format_host_port(options.host, options.port)
            raise WebError(f"the dashboard cannot listen on {where}: {error.strerror}; {advice}") from None
        return made
    raise AssertionError("unreachable")
