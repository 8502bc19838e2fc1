"""A pytest plugin: every bundle in a collected folder is a test. Installed with sipgw; see docs/replay.md."""

from collections.abc import Iterator
from pathlib import Path

import pytest

ENDING = ".call.zip"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect bundles."""
    return CallFile.from_parent(parent, path=file_path) if file_path.name.endswith(ENDING) else None


class DifferentError(Exception):
    """A call is not what it was."""


class CallFile(pytest.File):
    """A bundle."""

    def collect(self) -> Iterator[pytest.Item]:
        """Its only test."""
        yield CallItem.from_parent(self, name=self.path.name.removesuffix(ENDING))


class CallItem(pytest.Item):
    """A call that is to be the same again."""

    def runtest(self) -> None:
        """Replay it. Raises `DifferentError`, and `BundleError` for an unusable file."""
        # Imported late: pytest loads this plugin wherever sipgw is installed.
        from sipgw.records.bundles.bundle import read_bundle
        from sipgw.tools.replay.difference import differences
        from sipgw.tools.replay.run import replay

        bundle = read_bundle(self.path)
        played = replay(bundle)
        found = differences(bundle.story, played.story, played.left)
        if found:
            lines = [f"{one.where}\n    was: {one.before}\n    now: {one.now}" for one in found]
            raise DifferentError("\n".join(lines))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """Differences, without a traceback."""
        if excinfo.typename in ("DifferentError", "BundleError"):
            return f"{self.path}\n{excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it stands."""
        return self.path, None, f"call {self.name}"
