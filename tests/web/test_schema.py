"""What the description of the REST interface promises holds for whatever schemathesis thinks of."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

from sipgw.config.config import parse
from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from sipgw.web.accounts import Accounts
from sipgw.web.principal import SCOPES
from sipgw.web.server import Dashboard
from tests.waiting import HANG
from tests.web.gateway_view import FakeGatewayView
from tests.web.sample_gateway import fill

schemathesis = pytest.importorskip("schemathesis")
EXAMPLES = 12
"""Of each operation."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a dashboard that wants a key, and a key."""
    folder, ready, stop = tmp_path_factory.mktemp("schema"), threading.Event(), asyncio.Event()
    found: list[str] = []

    async def serve() -> None:
        config = parse('[web]\nport = 0\npassword = "${PASSWORD}"', "x", {"PASSWORD": "correct horse"})
        async with Store(StoreOptions(str(folder / "x.db"))) as store:
            gateway = FakeGatewayView(config, store)
            await fill(gateway, folder)
            async with Dashboard(gateway, config.web) as dashboard:  # type: ignore[arg-type]
                loop = asyncio.get_running_loop()
                found.extend((dashboard.url, await Accounts(store).add_key("test", SCOPES)))
                ends.append(lambda: loop.call_soon_threadsafe(stop.set))
                ready.set()
                await stop.wait()

    ends: list = []
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(HANG)
    yield found[0], found[1]
    ends[0]()
    thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_it_does_what_its_description_says(served: tuple[str, str], mode: str) -> None:
    url, key = served
    headers = {"Authorization": f"Bearer {key}"}
    schema = schemathesis.openapi.from_url(f"{url}api/v1/openapi.json", headers=headers)
    rejected = schema.config.checks.negative_data_rejection
    rejected.expected_statuses = [*rejected.expected_statuses, "413"]  # a text that is longer than any request may be
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 10
    for operation in operations:
        if mode == "negative" and operation.path.endswith(("/live", "/trunks")):
            continue  # nothing is given that could be wrong

        @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def check(case: "schemathesis.Case") -> None:  # type: ignore[name-defined]
            # An empty list is no parameter at all by the time it is sent: nothing is wrong with that request.
            assume(mode == "positive" or [] not in (case.query or {}).values())
            case.call_and_validate(headers=headers, timeout=HANG)

        check()


def test_every_operation_is_described(tmp_path: Path) -> None:
    """Somebody who adds one writes a sentence about it."""
    from tests.web.gateway_view import visit

    async def look() -> None:
        async with visit(tmp_path) as there:
            paths = (await there.browser.get("/api/v1/openapi.json")).json()["paths"]
            for path, methods in paths.items():
                assert path.startswith("/api/v1/")
                for method in methods.values():
                    assert method["description"].endswith(".")

    asyncio.run(look())
