"""The gateway of a load test, in a separate process: ``python -m sipgw.tools.load.host PROCESSES [CONFIG]``.

Prints its SIP port as JSON, then its headroom every second, and ends when its standard input does. Without a
configuration the agent is the parrot; PROCESSES is the number of media processes, 0 for the configured number.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import typer

from agent.lookups import run_main
from agent.providers.local.host import LocalSpeech
from sipgw.agents.provider_choice import ProviderChoice
from sipgw.agents.providers import Providers
from sipgw.config.config import AgentConfig, GatewayConfig, load
from sipgw.config.log import LogOptions
from sipgw.console import one_line_errors
from sipgw.gateway.garbage import when_quiet
from sipgw.gateway.gateway import Gateway
from sipgw.telemetry import log
from sipgw.tools.load.parrot import parrot
from sipgw.tools.load.process import open_files
from sipgw.tools.trial import EMBEDDED, trial


class ParrotGateway(Gateway):
    """A gateway whose every agent is a parrot."""

    def open_providers(
        self, config: AgentConfig, choice: ProviderChoice, speech: LocalSpeech | None
    ) -> AbstractAsyncContextManager[Providers]:
        """See `Gateway.open_providers`."""
        del config, choice, speech

        @contextlib.asynccontextmanager
        async def opened() -> AsyncIterator[Providers]:
            yield parrot()

        return opened()


async def _serve(config: GatewayConfig | None, processes: int) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    with tempfile.TemporaryDirectory() as store:
        wanted = config or GatewayConfig(agent=replace(EMBEDDED, greeting="Hello."))
        if processes:
            wanted = replace(wanted, media=replace(wanted.media, processes=processes))
        kind = ParrotGateway if config is None else Gateway
        async with kind(trial(wanted, Path(store))) as gateway, when_quiet(lambda: gateway.calls):
            print(json.dumps({"port": gateway.endpoint.port}), flush=True)  # noqa: T201  the answer to our parent
            capacity = gateway.admission.capacity
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await ended.wait()
                told = {"headroom": capacity.room()}
                print(json.dumps(told), flush=True)  # noqa: T201  the same
            loop.remove_reader(sys.stdin)


def main() -> None:
    """Run the gateway until standard input ends."""
    open_files()
    log.configure(LogOptions(level="error"))
    try:
        with one_line_errors(2):
            config = load(Path(sys.argv[2])) if len(sys.argv) > 2 else None
            run_main(_serve(config, int(sys.argv[1])))
    except typer.Exit as end:
        sys.exit(end.exit_code)


if __name__ == "__main__":
    main()
