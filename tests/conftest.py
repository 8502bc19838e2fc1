# mypy: disable-error-code="arg-type, union-attr"
"""What holds for every test."""

import contextlib
import gc
import os
import sys
from collections.abc import Generator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from media import fast

# Before anything imports the classes of the packet path. With 1 the tests themselves have the one in C; with 0 it is as
# if it had not been built, here and in media processes; else it is in media processes alone.
match os.environ.get("SIPGW_FAST"):
    case "1":
        fast.use_c()
    case "0":
        sys.modules["media.fast._fast"] = None  # type: ignore[assignment]

from sipgw.sip import transferor
from tests.programs import Watch, lacking, named
from tests.waiting import CHILDREN, patient

# Before anything imports numpy: its threads wait in a busy loop, which doubled the work of the tests of agents.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# jsonschema would compile a grammar of internationalised addresses with it, which no schema here has, for a second.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
# How long an example takes, or a machine that is busy needs to think of one, decides no test.
# In CI, too, each run tries new examples: hypothesis would repeat the same ones there.
settings.register_profile("patient", deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", settings.get_profile("patient"), max_examples=20)  # `make check`
settings.load_profile("patient")

PLAIN = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
WATCH = Watch()
WATCH.begin()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-programs", action="store_true", help="fail where a program of tests/programs.py is missing")
    parser.addoption("--phones", type=int, default=4, help="workers that begin with tests/interop (--dist loadfile)")


class Failures:
    """Names each failed test at once: whoever watches a long run need not wait for its end, which a kill takes away."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            terminal = self._config.pluginmanager.get_plugin("terminalreporter")
            terminal.ensure_newline()
            terminal.write_line(f"FAILED {report.nodeid} ({report.when})")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # not in a process of xdist
        config.pluginmanager.register(Failures(config))
    else:
        from tests.sharing import lower

        lower(config.workerinput["workerid"], config.getoption("phones"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> object:
    from tests.sharing import Sharing

    return Sharing(config, config.getoption("phones")) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests whose programs are not installed are skipped, with the command that installs them.

    Files with slow tests come first, so that no process is left alone with one at the end (`make test`).
    """
    slow = {item.path for item in items if any(item.iter_markers("slow")) or any(item.iter_markers("programs"))}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if missing := lacking(named(item), packages=True):
            if config.getoption("all_programs") and lacking(named(item), packages=False):
                continue  # it fails in its set-up
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The garbage collector passes over ten thousand collected tests: it took a fifth of the time of all.

    Afterwards it looks for young garbage less often, and at everything that the tests keep hardly ever.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 100)
        gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if missing := lacking(named(item), packages=False):
        pytest.fail(f"a program is missing: {missing}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A command that a test runs sets the log up on that test's standard error; the next one has its own.

    Tracebacks are plain: a pretty one with all its variables took most of a minute of a test of a fault. This is no
    fixture: to make one for each test took seconds in all.
    """
    WATCH.runs(item)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], PLAIN])
    try:
        return (yield)
    finally:
        structlog.reset_defaults()
        WATCH.runs(None)


@pytest.hookimpl(optionalhook=True)
def pytest_sipgw_provider_server(record: object) -> object:
    """For ``pytest --sipgw-provider NAME``."""
    from tests.fakes.servers import servers_of

    return servers_of(record) or None


@pytest.hookimpl(optionalhook=True)
def pytest_sipgw_provider_speech(record: object) -> object:
    """The same for the embedded STT."""
    from tests.fakes.servers import speech_of

    return speech_of(record) or None


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Processes of ours are waited for as long as a busy machine lets them take. New databases are copies, but for
    those of `tests/records/store/test_migrations.py`.
    """
    with contextlib.ExitStack() as meanwhile:
        if session.items:  # the process that hands tests to those of xdist has none
            meanwhile.enter_context(patient(CHILDREN))
        if "sipgw.records.store.engine" in sys.modules:  # else no test opens one
            from tests.databases import copied

            meanwhile.enter_context(copied())
        return (yield)


@pytest.fixture
def quick_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is called answers at once, and a report of that is believed."""
    monkeypatch.setattr(transferor, "ANSWER_TIME", 0.0)
