"""A pytest plugin: every bundle in a collected folder is a test. Installed with sipgw; see docs/replay.md."""

from collections.abc import Iterator
from pathlib import Path

import pytest

ENDING = ".call.zip"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect bundles."""
    return CallFile.from_parent(parent, path=file_path) if file_path.name.endswith(ENDING) else None


class DifferentError(Exception):
    """The replay of a call differs from its recording."""


class CallFile(pytest.File):
    """The file of a bundle, as pytest collects it."""

    def collect(self) -> Iterator[pytest.Item]:
        """Collect the only test of the file."""
        yield CallItem.from_parent(self, name=self.path.name.removesuffix(ENDING))


class CallItem(pytest.Item):
    """The test that the replay of a call is the same as its recording."""

    def runtest(self) -> None:
        """Replay the call. Raises `DifferentError`, and `BundleError` for an unusable file."""
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
        """The text of a failure: the differences, without a traceback."""
        if excinfo.typename in ("DifferentError", "BundleError"):
            return f"{self.path}\n{excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, None, str]:
        """File and name of the test, for pytest."""
        return self.path, None, f"call {self.name}"
