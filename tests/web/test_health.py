"""What machines ask: healthy, ready, and metrics."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

from media.process.supervisor import ProcessState
from tests.web.gateway_view import live_call, visit


def test_healthy_as_long_as_it_answers_ready_as_long_as_it_takes_calls(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as visitor:
            gateway, browser = visitor.gateway, visitor.browser
            assert (await browser.get("/healthz")).status_code == 200
            answer = await browser.get("/readyz")
            assert (answer.status_code, answer.text) == (503, "the media process is being started\n")
            gateway.evidence._engine = SimpleNamespace(
                alive=True, processes=[ProcessState(1, 4711, 3, 0.0), ProcessState(2, 0, 0, 0.0)]
            )  # type: ignore[assignment]
            answer = await browser.get("/readyz")
            assert (answer.status_code, answer.text) == (200, "ready\nmedia process 2 is being started\n")
            gateway.admission.capacity.draining = True
            assert (await browser.get("/readyz")).status_code == 503
            assert (await browser.get("/healthz")).status_code == 200

    asyncio.run(look())


def test_metrics_are_read(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as visitor:
            visitor.gateway.begin(live_call())
            answer = await visitor.browser.get("/metrics")
            assert answer.headers["content-type"].startswith("text/plain; version=")
            assert 'sipgw_live_calls{trunk="office"} 1.0' in answer.text

    asyncio.run(look())


def test_where_people_sign_in_probes_need_nothing_and_metrics_need_a_key(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, '[web]\npassword = "${PASSWORD}"') as visitor:
            browser = visitor.browser
            assert (await browser.get("/healthz")).status_code == 200
            assert (await browser.get("/readyz")).status_code == 503
            assert (await browser.get("/metrics")).status_code == 401
            for scope, status in (("metrics:read", 200), ("calls:place", 403)):
                key = await visitor.auth.accounts.add_key(scope.replace(":", "-"), [scope])
                answer = await browser.get("/metrics", headers={"Authorization": f"Bearer {key}"})
                assert answer.status_code == status

    asyncio.run(look())
