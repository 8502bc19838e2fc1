"""Write the bundles of `tests/data/bundles`: ``python -m tests.tools.replay.making [NAME ...]``, in two minutes."""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from tests.tools.replay.scenes import SCENES
from tests.tools.replay.scripted_gateway import perform

BUNDLES = Path(__file__).parents[2] / "data" / "bundles"
AT_ONCE = 4


async def make(name: str, slots: asyncio.Semaphore) -> None:
    """Hold the call of a scene, keep it, and tell whether it is the same when it is played again."""
    async with slots:
        with tempfile.TemporaryDirectory() as folder:
            try:
                bundle = await perform(SCENES[name](), Path(folder))
            except (Exception, ExceptionGroup) as error:
                print(f"{name}: {error!r}", flush=True)
                return
    (BUNDLES / f"{name}.call.zip").write_bytes(bundle.write())
    print(f"{name}: {bundle.frames[-1]['t']:.1f} s, {bundle.story.ending}", flush=True)


async def main(names: list[str]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        for name in names or SCENES:
            group.create_task(make(name, slots))


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    BUNDLES.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(sys.argv[1:]))
