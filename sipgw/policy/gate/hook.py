"""A hook of the user in front of every call out: ``def may_call(dial)`` in a Python file."""

import asyncio
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from agent.pool import Pool, PoolFullError
from sipgw.config.errors import OperatorError
from sipgw.policy.gate.rules import GateRefusal, GateRequest

log = structlog.get_logger()

NAME = "may_call"
HOOKS = Pool("the hook of the gate", workers=8, waiting=32)


class HookError(OperatorError):
    """The file of the hook cannot be used; the message is one line that names file and cause."""


class Hook:
    """The function `may_call` of a Python file. Raises `HookError`."""

    def __init__(self, path: Path, limit: float) -> None:
        spec = importlib.util.spec_from_file_location(f"sipgw_gate_{path.stem}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise HookError(f"[gate] hook: {path}: there is no such Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # the user's file: any error is reported as one line
            raise HookError(f"[gate] hook: {path}: {type(error).__name__}: {' '.join(str(error).split())}") from error
        function: Callable[[GateRequest], Any] | None = getattr(module, NAME, None)
        if not callable(function):
            raise HookError(f"[gate] hook: {path}: there is no function {NAME}(dial)")
        self._function, self._limit, self._path = function, limit, path

    async def refusal(self, dial: GateRequest) -> GateRefusal | None:
        """Why the hook does not permit the call, or None if it does. Only the value True permits a call."""
        try:
            async with asyncio.timeout(self._limit):
                if inspect.iscoroutinefunction(self._function):
                    answer = await self._function(dial)
                else:
                    answer = await HOOKS.run(self._function, dial)
        except TimeoutError:
            why = f"{self._path} gave no answer within {self._limit:g} s, so {dial.number} is not called"
            return GateRefusal("hook", why, unable=True)
        except PoolFullError as error:
            return GateRefusal("hook", f"{self._path} was not asked about {dial.number}: {error}", unable=True)
        except (Exception, SystemExit) as error:  # the observer boundary: its details are for the log
            log.exception("the gate's hook failed")
            why = f"{self._path} failed ({type(error).__name__}), so {dial.number} is not called"
            return GateRefusal("hook", why, unable=True)
        if answer is True:
            return None
        reason = " ".join(answer.split())[:300] if isinstance(answer, str) and answer.strip() else "it said no"
        return GateRefusal("hook", f"{self._path} does not let {dial.number} be called: {reason}")
