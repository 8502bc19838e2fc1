"""Keeps raised alarms in a file beside the database, so that their end is told after a restart, too."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast, get_args

import structlog

from sipgw.events import Fault
from sipgw.state_file import StateFile

log = structlog.get_logger()


class RaisedAlarms(NamedTuple):
    """Raised alarms of one trunk."""

    faults: frozenset[Fault]
    latest: Sequence[frozenset[Fault]]
    """The faults of each of the latest calls of the trunk, the oldest call first."""


class KeptAlarms:
    """A file with the raised alarms. If it cannot be read or written, that is logged, and they end with the gateway."""

    def __init__(self, file: Path, trunks: Collection[str]) -> None:
        """Only alarms of these `trunks` are restored, because other trunks have no calls any more."""
        self._file = StateFile(file, "call alarms not kept")
        self._trunks = trunks

    def read(self) -> dict[str, RaisedAlarms]:
        """The raised alarms by trunk; empty if the file cannot be read."""
        try:
            content = self._file.read()
            kept = {} if content is None else json.loads(content.decode("utf-8"))
            found = {
                trunk: RaisedAlarms(_faults(one["faults"]), [_faults(call) for call in one["latest"]])
                for trunk, one in kept.items()
                if trunk in self._trunks
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.warning("call alarms not read", file=str(self._file.path), cause=str(error)[:200])
            return {}
        return {trunk: one for trunk, one in found.items() if one.faults and one.latest}

    def write(self, raised: Mapping[str, RaisedAlarms]) -> None:
        """Write the alarms `raised`, by trunk, into the file."""
        kept = {
            trunk: {"faults": sorted(one.faults), "latest": [sorted(call) for call in one.latest]}
            for trunk, one in raised.items()
        }
        self._file.put(json.dumps(kept))

    async def settled(self) -> None:
        """Wait until the file has what was written last, if its disk answers."""
        await self._file.settled()


def _faults(names: Sequence[str]) -> frozenset[Fault]:
    """The faults of these `names`, without names of another release that are not known here."""
    return frozenset(cast(Fault, name) for name in names if name in get_args(Fault))
