"""A pytest plugin: ``pytest --sipgw-provider NAME`` tries a registered provider (docs/providers/own.md).

The provider's tests give its server by the hook `pytest_sipgw_provider_server` in a `conftest.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest


class Hooks:
    """The hooks that a provider's `conftest.py` may implement."""

    @pytest.hookspec(firstresult=True)
    def pytest_sipgw_provider_server(self, record: Any) -> Any:
        """Return a `sipgw.tools.conformance.trials.Server` for the `agent.providers.provider.Provider` `record`. For a
        provider with several protocols, return a dictionary of servers by the protocol's name.
        """

    @pytest.hookspec(firstresult=True)
    def pytest_sipgw_provider_speech(self, record: Any) -> Any:
        """Return speech that the embedded STT `record` understands: a dictionary of ISO 639-1 codes and
        `sipgw.tools.conformance.embedded.SpokenSample`.
        """


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hook."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the option."""
    told = "try this provider instead of running tests: NAME, or PART:NAME as in tts:deepgram; may be repeated"
    parser.addoption("--sipgw-provider", action="append", default=[], metavar="NAME", help=told)


def pytest_configure(config: pytest.Config) -> None:
    """With the option, collect no other tests."""
    if config.getoption("sipgw_provider"):
        config.args = []


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks of the named providers."""
    names = config.getoption("sipgw_provider")
    if not names:
        return
    # Imported late: pytest loads this plugin wherever sipgw is installed.
    from sipgw.config import registry

    for name in names:
        part, _, last = name.rpartition(":")
        found = [one for one in registry.every() if one.name == last and part in ("", one.part)]
        if not found:
            known = ", ".join(sorted({f"{one.part}:{one.name}" for one in registry.every()}))
            problems = "".join(f"\n{one}" for one in registry.problems())
            raise pytest.UsageError(f"no provider {name!r}; there are {known}{problems}")
        for one in found:
            items.extend(
                CheckItem.from_parent(
                    session, name=" ".join(filter(None, (f"{one.part}:{one.name}", *words))), check=check
                )
                for words, check in _checks(config, one)
            )


def _checks(config: pytest.Config, record: Any) -> Iterator[tuple[tuple[str, str], Callable[[], None]]]:
    """The checks of a provider: protocol and name of each, and the function that runs it."""
    from sipgw.tools.conformance import checks, embedded

    if record.embedded:
        speech = config.hook.pytest_sipgw_provider_speech(record=record) or {}
        for name, check in embedded.CHECKS.items():
            yield ("", name), partial(check, embedded.EmbeddedTrial(record, speech))
        return
    given = config.hook.pytest_sipgw_provider_server(record=record)
    servers = given if isinstance(given, Mapping) and given else {"": given or None}
    for protocol, server in servers.items():
        for name, of_service in checks.CHECKS.items():
            yield (protocol, name), partial(_served, of_service, record, server)


def _served(check: Callable[[Any], None], record: Any, server: Any) -> None:
    from sipgw.tools.conformance.trials import Trial

    if server is None:
        pytest.fail("no conftest.py has a hook pytest_sipgw_provider_server for it", pytrace=False)
    check(Trial(record, server))


class CheckItem(pytest.Item):
    """One check of one provider."""

    def __init__(self, *, check: Callable[[], None], **more: Any) -> None:
        super().__init__(**more)
        self.check = check

    def runtest(self) -> None:
        """Run the check. Raises `sipgw.tools.conformance.exercises.NonconformingError`."""
        self.check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The text of a failure, without a traceback of the kit."""
        if excinfo.typename == "NonconformingError":
            return f"{self.name}: {excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, None, str]:
        """File and name of the check, for pytest."""
        return Path(__file__), None, self.name
