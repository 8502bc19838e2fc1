"""Keeps raised alarms in a file beside the database: that they are over is told after a restart, too."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast, get_args

import structlog

from sipgw.events import Fault

log = structlog.get_logger()

LARGEST = 16 << 20
"""Bytes of a file that is read."""


class RaisedAlarms(NamedTuple):
    """Those of one trunk."""

    faults: frozenset[Fault]
    latest: Sequence[frozenset[Fault]]
    """What was wrong with each of its latest calls, the oldest first."""


class KeptAlarms:
    """A file with the raised alarms. One that cannot be read or written is logged; then they end with the gateway."""

    def __init__(self, file: Path, trunks: Collection[str]) -> None:
        """Only alarms of these `trunks` are restored: of others there are no more calls."""
        self._file = file
        self._trunks = trunks

    def read(self) -> dict[str, RaisedAlarms]:
        """The alarms by trunk."""
        try:
            if self._file.stat().st_size > LARGEST:
                raise ValueError(f"more than {LARGEST >> 20} MiB")
            kept = json.loads(self._file.read_text("utf-8"))
            found = {
                trunk: RaisedAlarms(_faults(one["faults"]), [_faults(call) for call in one["latest"]])
                for trunk, one in kept.items()
                if trunk in self._trunks
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.warning("call alarms not read", file=str(self._file), cause=str(error)[:200])
            return {}
        return {trunk: one for trunk, one in found.items() if one.faults and one.latest}

    def write(self, raised: Mapping[str, RaisedAlarms]) -> None:
        """Let the file have these."""
        kept = {
            trunk: {"faults": sorted(one.faults), "latest": [sorted(call) for call in one.latest]}
            for trunk, one in raised.items()
        }
        fresh = self._file.with_name(self._file.name + ".new")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
                json.dump(kept, out)
            fresh.replace(self._file)
        except OSError as error:
            log.warning("call alarms not kept", file=str(self._file), cause=error.strerror)


def _faults(names: Sequence[str]) -> frozenset[Fault]:
    """The faults of those names; of others, which another release may have, nothing is known here."""
    return frozenset(cast(Fault, name) for name in names if name in get_args(Fault))
