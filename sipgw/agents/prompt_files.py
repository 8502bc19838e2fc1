"""The prompts in the files of agents, while a gateway runs: read, and replaced for the next call."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from agent.pool import Pool
from sipgw.config.agent_files import DEFAULT, files_of
from sipgw.config.errors import ConfigError, OperatorError
from sipgw.config.files import ENCODING
from sipgw.config.options import DEFAULT_FILE
from sipgw.config.prompt_text import prompt_in, with_prompt

log = structlog.get_logger()

FILES = Pool("prompts", workers=1, waiting=8)


class PromptChangedError(OperatorError):
    """The file has another prompt than the page has shown."""


class PromptFiles:
    """The files from which a gateway was started. Only these files decide which prompt an agent has."""

    def __init__(self, config: Path | None, reload: Callable[[], Awaitable[object]]) -> None:
        """`reload` makes the gateway use the files from its next call on. It raises the errors in them, and has changed
        nothing then."""
        self.config = config or DEFAULT_FILE
        self._reload = reload
        self._publishing = asyncio.Lock()

    async def read(self, agent: str) -> str | None:
        """The prompt in the file of `agent`; None if the file has none. Raises `ConfigError`."""
        return (await FILES.run(self._read, agent))[2]

    async def publish(self, agent: str, prompt: str, seen: str | None) -> None:
        """Write the prompt into the file of `agent`, and use it from the next call on.

        Raises `PromptChangedError` if another prompt than `seen` is in the file, and `OperatorError` if the prompt
        cannot be written or used; then the file is unchanged.
        """
        async with self._publishing:
            path, before, now = await FILES.run(self._read, agent)
            if now != seen:
                raise PromptChangedError(f"{path.name} was changed meanwhile; load the page again and compare")
            after = with_prompt(before, path, agent, prompt)
            await FILES.run(_write, path, after)
            try:
                await self._reload()
            except Exception as error:
                await FILES.run(_put_back, path, before, after)
                if isinstance(error, OperatorError):
                    raise
                log.exception("prompt not published", agent=agent)
                raise ConfigError(f"the gateway cannot use it: {error}") from error

    def _read(self, agent: str) -> tuple[Path, str, str | None]:
        """The file of `agent`, its text, and the prompt in it."""
        path = self.config if agent == DEFAULT else files_of(self.config.parent / "agents").get(agent)
        if path is None:
            raise ConfigError(f"there is no file of the agent {agent!r} any more")
        try:
            text = path.read_text(ENCODING)
        except FileNotFoundError:
            raise ConfigError(f"there is no file {path.name}; make one, and restart the gateway") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {path.name}: {getattr(error, 'strerror', None) or error}") from None
        return path, text, prompt_in(text, path, agent)


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole, so that nobody reads an incomplete file. Raises `ConfigError`."""
    path = path.resolve()
    beside = None
    try:
        mode = path.stat().st_mode
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        beside = Path(name)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            os.fchmod(number, mode)
            file.write(text)
            file.flush()
            os.fsync(number)
        beside.replace(path)
    except OSError as error:
        if beside is not None:
            beside.unlink(missing_ok=True)
        raise ConfigError(f"cannot write {path.name}: {error.strerror or error}") from None


def _put_back(path: Path, before: str, written: str) -> None:
    """Undo `_write`, unless somebody has changed the file since."""
    if path.read_text(ENCODING) == written:
        _write(path, before)
