"""The images of docker/ as their Compose files run them: what is in them, what they may do, and calls through them."""

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipgw.config.records import StoreOptions
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.store import Store
from sipgw.sip.uri import Uri
from tests.images.composed import Composed, composed, volume
from tests.images.engine import missing, podman
from tests.interop.baresip import Baresip
from tests.interop.test_calls import ORDER, speech, transcript, wav
from tests.interop.test_cluster import more_sound, quiet
from tests.phone import calling


def absent() -> str:
    """Why these tests cannot run, if they cannot."""
    if why := missing():
        return why
    built = all(podman("image", "exists", name, check=False).returncode == 0 for name in ("sipgw", "sipgw-asterisk"))
    return "" if built else "no image is built: make images"


pytestmark = [pytest.mark.skipif(bool(absent()), reason=absent()), pytest.mark.programs("baresip")]

SECRETS = {
    "PUBLIC_ADDRESS": "127.0.0.1",
    "POSTGRES_PASSWORD": "of-postgres",
    "DATABASE_URL": "postgresql://sipgw:of-postgres@127.0.0.1:5432/sipgw",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
}
GATEWAYS = {"gateway1": 8081, "gateway2": 8082}


@contextlib.contextmanager
def phone(folder: Path, number: str, account: str = "") -> Iterator[list[str]]:
    """A softphone asks for an order within the block; after it, what it heard is in the list."""
    folder.mkdir()
    one = Baresip(folder, wav(folder / "said.wav", speech(1.0, *ORDER)), f"sip:{number}@127.0.0.1")
    if account:
        (folder / "accounts").write_text(account)
    heard: list[str] = []
    call = threading.Thread(target=lambda: (one.call(25), heard.append(transcript(one.heard()))))  # type: ignore[func-returns-value]
    call.start()
    try:
        yield heard
    finally:
        call.join()


def until_answered(running: Composed, service: str) -> None:
    until = time.monotonic() + 20
    while "call answered" not in running.log(service):
        assert time.monotonic() < until, running.log(service)
        time.sleep(0.1)


def answer(path: str) -> int:
    """The status that the gateway answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:8080{path}", timeout=5) as answered:
            return int(answered.status)
    except urllib.error.HTTPError as error:
        return error.code


def until_scraped() -> None:
    """Wait until Prometheus has had the figures of both gateways."""
    seen: set[str] = set()
    until = time.monotonic() + 60
    while seen != {f"127.0.0.1:{port}" for port in GATEWAYS.values()}:
        assert time.monotonic() < until, seen
        time.sleep(0.5)
        with urllib.request.urlopen("http://127.0.0.1:9090/api/v1/query?query=up==1", timeout=5) as told:
            seen = {one["metric"]["instance"] for one in json.load(told)["data"]["result"]}


def assert_confined(running: Composed, service: str) -> None:
    """Nothing may be written or gained, and nobody is root."""
    status = running.inside(service, "cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000\n" in status and "CapBnd:\t0000000000000000\n" in status
    assert "NoNewPrivs:\t1\n" in status and "Uid:\t0" not in status
    tried = "for one in / /usr /etc /opt; do touch $one/written 2>&1; done; true"
    assert running.inside(service, "sh", "-c", tried).count("Read-only file system") == 4


@pytest.mark.parametrize(("name", "models", "limit"), [("sipgw", False, 480), ("sipgw:local", True, 850)])
def test_an_image_has_what_runs_and_nothing_else(name: str, models: bool, limit: int) -> None:
    """`limit` is in MB of our own layers: that of Python has 125 or, made of Debian's packages, 250."""
    base, told = json.loads(podman("image", "inspect", "python:3.13-slim", name).stdout)
    assert told["Size"] - base["Size"] < limit * 1e6, "bytes"
    assert told["Config"]["User"] == "10001"
    assert not [one for one in told["Config"]["Env"] if "KEY" in one or "PASSWORD" in one]
    root = Path(podman("image", "mount", name).stdout.strip())
    try:
        (packages,) = (root / "opt/sipgw/lib").glob("python3.*/site-packages")
        assert (packages / "onnxruntime").exists() == models
        assert not (packages / "pip").exists() and not (root / "opt/sipgw/bin/pip").exists()
        assert not list((root / "opt").rglob(".env")) and not (packages / "tests").exists()
        assert not (root / "src").exists() and not list((root / "var/lib/sipgw").iterdir())
        assert not list((root / "usr/bin").glob("*gcc*"))
    finally:
        podman("image", "unmount", name)


def test_one_gateway_talks_and_lets_its_call_end_when_it_is_stopped(tmp_path: Path) -> None:
    with composed(tmp_path / "it", "compose.yaml") as running:
        assert_confined(running, "sipgw")
        with phone(tmp_path / "phone", "agent") as heard:
            until_answered(running, "sipgw")
            stopping = threading.Thread(target=running.stop, args=["sipgw"])
            stopping.start()
            while answer("/readyz") == 200:
                time.sleep(0.1)
            assert (answer("/readyz"), answer("/healthz")) == (503, 200), "it only takes no new calls"
        stopping.join()
        assert running.inspected("sipgw")["State"]["ExitCode"] == 0, running.log("sipgw")
        assert "raincoat" in heard[0].replace("rain coat", "raincoat")
        kept = volume("sipgw")
        assert {file.name.removeprefix("sipgw.db").split("-")[0] for file in kept.iterdir()} <= {
            "",
            ".calls",
            ".gate",
            ".spool",
        }
        with contextlib.closing(sqlite3.connect(kept / "sipgw.db")) as database:
            assert database.execute("SELECT ending FROM calls").fetchall() == [("caller_hung_up",)]


def test_without_models_and_keys_a_caller_hears_so(tmp_path: Path) -> None:
    with composed(tmp_path / "it", "compose.yaml", images={"sipgw": "sipgw"}) as running:
        assert "pip install 'sipgw[local]'" in " ".join(running.log("sipgw").split())
        with phone(tmp_path / "phone", "agent") as heard:
            until_answered(running, "sipgw")
        assert "sorry" in heard[0]


def test_a_phone_of_asterisk_talks_to_the_agent(tmp_path: Path) -> None:
    secrets = {"PBX_PASSWORD": "of-gateway", "PHONE_PASSWORD": "of-phone"}
    account = "<sip:200@127.0.0.1>;auth_user=200;auth_pass=of-phone;regint=60;audio_codecs=PCMU/8000/1\n"
    with composed(tmp_path / "it", "compose.asterisk.yaml", secrets) as running:
        until = time.monotonic() + 30
        while "Avail" not in running.inside("asterisk", "asterisk", "-rx", "pjsip show contacts"):
            assert time.monotonic() < until, running.log("asterisk") + running.log("sipgw")
            time.sleep(0.5)
        assert_confined(running, "sipgw")
        assert f":{4569:04X} " not in Path("/proc/net/udp").read_text(), "no IAX2, for anybody"
        with phone(tmp_path / "phone", "700", account) as heard:
            until_answered(running, "sipgw")
        assert "raincoat" in heard[0].replace("rain coat", "raincoat")


def test_the_full_stack_spreads_calls_and_one_gateway_is_stopped(tmp_path: Path) -> None:
    async def call() -> str:
        async with calling(Uri("sip", "agent", "127.0.0.1", 5060), quiet) as caller:
            await more_sound(caller)
            assert caller.leg
            return caller.leg.id

    def who_has(call: str) -> str:
        (one,) = [name for name in GATEWAYS if f'"call answered", "call": "{call}"' in running.log(name)]
        return one

    async def records() -> list[str]:
        async with Store(StoreOptions(url=SECRETS["DATABASE_URL"], path=str(tmp_path / "test.db"))) as store:
            return [one["ending"] for one in await store.calls(CallFilter(ended=True))]

    with composed(tmp_path / "it", "compose.full.yaml", SECRETS, ("postgres", "redis")) as running:
        running.up("kamailio", "gateway1", "gateway2", "prometheus")
        for service in ("kamailio", *GATEWAYS):
            assert_confined(running, service)
        assert " ERROR:" not in running.log("kamailio")
        made = 0
        served: set[str] = set()
        while served != set(GATEWAYS):
            served.add(who_has(asyncio.run(call())))
            made += 1
        until_scraped()
        running.stop("gateway1")
        assert running.inspected("gateway1")["State"]["ExitCode"] == 0
        assert {who_has(asyncio.run(call())) for _ in range(3)} == {"gateway2"}
        running.stop("gateway2")
        assert asyncio.run(records()) == ["caller_hung_up"] * (made + 3)
        assert not [name for name in GATEWAYS if "redis does not answer" in running.log(name)]
