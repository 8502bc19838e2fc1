# mypy: disable-error-code="arg-type"
"""Phones of others with an account here: they register, call, are found again; guessers find nothing."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.calls.transfer_dialer import ring
from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import AccountOptions, AdmissionOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.gateway.gateway import Gateway
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.message import Request
from sipgw.sip.registrar import Binding
from tests.cloud import cloud
from tests.fakes.carriers.pbx import Pbx
from tests.interop.phones import baresip, linphone
from tests.recipes import DEAF, OFFER, written
from tests.waiting import HANG

pytestmark = pytest.mark.usefixtures("quick_people")

ANNA = AccountOptions("anna", "annas-password")


def with_accounts(*algorithms: str, failures: float = 10) -> object:
    offered = algorithms or ("SHA-256", "MD5")
    admission = AdmissionOptions(algorithms=offered, failures_per_minute=failures, delay_limit=HANG)  # type: ignore[arg-type]

    def change(config: GatewayConfig) -> GatewayConfig:
        return replace(config, accounts=(ANNA,), admission=admission)

    return change


async def bindings(gateway: Gateway, count: int) -> Sequence[Binding]:
    """The phones of anna, once there are so many."""
    async with asyncio.timeout(HANG):
        while len(found := gateway.registrar.bindings("anna", asyncio.get_running_loop().time())) != count:
            await asyncio.sleep(0.05)
    return found


async def records(gateway: Gateway) -> list[dict[str, object]]:
    async with asyncio.timeout(HANG):
        while not (found := await gateway.store.calls()):
            await asyncio.sleep(0.05)
    return found


@pytest.mark.programs("linphone")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_linphone_registers_calls_and_unregisters(tmp_path: Path, transport: str) -> None:
    recipe = written(tmp_path, "linphone", {"ANNA_PASSWORD": ANNA.password}, everything=False)

    def change(config: GatewayConfig) -> GatewayConfig:
        return replace(config, accounts=recipe.accounts, admission=replace(recipe.admission, delay_limit=HANG))

    async def scenario() -> None:
        async with cloud(tmp_path, [], [], change=change) as world:
            port = world.gateway.endpoint.port
            async with linphone(tmp_path / "phone", port, "anna", ANNA.password, transport) as phone:
                (binding,) = await bindings(world.gateway, 1)
                assert binding.peer.transport == transport
                phone.type(f"call sip:agent@127.0.0.1:{port};transport={transport}")
                await phone.says("Media streams established")
                phone.type("terminate")
                await phone.says("ended")
                phone.type("quit")
                await bindings(world.gateway, 0)
            (record,) = await records(world.gateway)
            assert record["trunk"] == "accounts"
            assert record["ending"] == "caller_hung_up"

    asyncio.run(scenario())


@pytest.mark.programs("linphone")
def test_linphone_with_a_wrong_password_does_not_get_in(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cloud(tmp_path, [], [], change=with_accounts()) as world:
            port = world.gateway.endpoint.port
            async with linphone(tmp_path / "phone", port, "anna", "another password") as phone:
                await asyncio.sleep(2)  # it tries at once; what it prints of it differs by version
                phone.type(f"call sip:agent@127.0.0.1:{port}")
                await phone.says("error")
            assert await bindings(world.gateway, 0) == ()
            assert await world.gateway.store.calls() == []

    asyncio.run(scenario())


@pytest.mark.programs("baresip")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_phone_that_knows_only_md5(tmp_path: Path, transport: str) -> None:
    """baresip 1.0 gives up when SHA-256 is offered too: `algorithms = ["MD5"]` is for such."""

    async def scenario() -> None:
        async with (
            cloud(tmp_path, [], [], change=with_accounts("MD5")) as world,
            baresip(tmp_path / "phone", world.gateway.endpoint.port, "anna", ANNA.password, transport=transport),
        ):
            (binding,) = await bindings(world.gateway, 1)
            assert binding.peer.transport == transport

    asyncio.run(scenario())


@pytest.mark.programs("baresip")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_person_at_a_phone_can_be_called(tmp_path: Path, transport: str) -> None:
    """Over the connection or to the address that it was seen at; behind NAT its Contact alone would lead nowhere."""

    async def scenario() -> None:
        async with cloud(tmp_path, [], [], change=with_accounts("MD5")) as world:
            gateway = world.gateway
            port = gateway.endpoint.port
            async with baresip(
                tmp_path / "phone", port, "anna", ANNA.password, answers=True, transport=transport
            ) as phone:
                (binding,) = await bindings(gateway, 1)
                # As a phone behind NAT says: an address that nobody outside can reach.
                hidden = replace(binding, contact=replace(binding.contact, host="192.168.77.77"))
                gateway.registrar._bindings["anna"] = (hidden,)
                made = await ring(gateway.endpoint, gateway.registrar, "anna", "", lambda phone: (OFFER,))
                assert made.answer is not None
                await phone.says("Call established")
                made.leg.hangup()

    asyncio.run(scenario())


class Office(Pbx):
    """A PBX in the same network, which connects its callers with whomever it is told."""

    def refused(self, refer: Request) -> None:
        return None


@pytest.mark.programs("baresip")
@pytest.mark.parametrize("attended", [False, True], ids=["blind", "attended"])
def test_a_person_at_a_phone_takes_over_a_call(tmp_path: Path, attended: bool) -> None:
    """`transfer_to = "sip:anna"`: the caller is sent to the phone that anna is registered with right now."""

    async def scenario() -> None:
        async with Office("700", "700", "x") as office:
            trunk = TrunkOptions(
                "office", "peer", networks=(f"{office.host}/32",), transfer_to="sip:anna", attended_transfer=attended
            )

            def change(config: GatewayConfig) -> GatewayConfig:
                admission = AdmissionOptions(algorithms=("MD5",), delay_limit=HANG)
                return replace(config, accounts=(ANNA,), admission=admission, trunks=(trunk,))

            async with cloud(tmp_path, [], [], change=change, ear_faults=DEAF) as world:
                port = world.gateway.endpoint.port
                async with baresip(tmp_path / "phone", port, "anna", ANNA.password, answers=True) as phone:
                    (binding,) = await bindings(world.gateway, 1)
                    _, call = await office.call(f"sip:agent@127.0.0.1:{port}", ("127.0.0.1", port))
                    await asyncio.wait_for(call.ended.wait(), HANG)
                    (sent_to,) = office.transferred
                    assert sent_to.startswith(f"<{binding.contact}")
                    assert ("?Replaces=" in sent_to) is attended
                    assert ("Call established" in phone.printed) is attended
                (record,) = await records(world.gateway)
                assert record["ending"] == "transferred"

    asyncio.run(scenario())


def test_nobody_at_the_phone_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cloud(tmp_path, [], [], change=with_accounts()) as world:
            with pytest.raises(CallFailed, match="no phone of 'anna' is registered"):
                await ring(world.gateway.endpoint, world.gateway.registrar, "anna", "", lambda phone: (OFFER,))

    asyncio.run(scenario())


async def sipvicious(tool: str, folder: Path, *arguments: str) -> str:
    """Run one of its programs against the gateway; returns what it prints."""
    program = Path(sys.executable).parent / f"sipvicious_{tool}"
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments, "-v", cwd=folder, env={"HOME": str(folder), "PATH": "/usr/bin"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(HANG):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return printed.decode("utf-8", "replace")


@pytest.mark.programs("sipvicious")
@pytest.mark.parametrize(("networks", "found"), [(("127.0.0.1/32",), True), (("127.0.9.1/32",), False)])
def test_sipvicious_finds_no_gateway_from_where_nobody_may_call(
    tmp_path: Path, networks: tuple[str, ...], found: bool
) -> None:
    """svmap knocks with OPTIONS; from the network of an account it is challenged, from elsewhere there is nothing."""

    def change(config: GatewayConfig) -> GatewayConfig:
        return replace(config, accounts=(replace(ANNA, networks=networks),))

    async def scenario() -> None:
        async with cloud(tmp_path, [], [], change=change) as world:
            port = str(world.gateway.endpoint.port)
            printed = await sipvicious("svmap", tmp_path, "127.0.0.1", "-p", port)
            assert (f"127.0.0.1:{port}" in printed) is found, printed
            assert ("found nothing" in printed) is not found, printed
            assert "sipgw" not in printed, "what it is, is told to nobody"

    asyncio.run(scenario())


@pytest.mark.programs("sipvicious")
@pytest.mark.parametrize("force", [(), ("--force",)], ids=["", "force"])
@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
def test_sipvicious_finds_no_extension(tmp_path: Path, method: str, force: tuple[str, ...]) -> None:
    """svwar asks for users one after the other, and looks for the answer that is different."""
    (tmp_path / "users.txt").write_text("bob\nanna\n100\n200\nagent\ncarol\n")

    async def scenario() -> None:
        async with cloud(tmp_path, [], [], change=with_accounts()) as world:
            target = f"udp://127.0.0.1:{world.gateway.endpoint.port}"
            printed = await sipvicious("svwar", tmp_path, target, "-d", "users.txt", "-m", method, *force)
            assert "found nothing" in printed, printed

    asyncio.run(scenario())


@pytest.mark.programs("sipvicious")
@pytest.mark.parametrize(("wrong", "cracked"), [(2, True), (30, False)])
def test_sipvicious_cracks_no_password(tmp_path: Path, wrong: int, cracked: bool) -> None:
    """svcrack with a list that even holds the right one; where few wrong ones stand before it, it shows that it can."""
    guesses = [f"wrong{number}" for number in range(wrong)]
    (tmp_path / "passwords.txt").write_text("\n".join([*guesses, ANNA.password]) + "\n")

    async def scenario() -> None:
        async with cloud(tmp_path, [], [], change=with_accounts("MD5", failures=10)) as world:
            target = f"udp://127.0.0.1:{world.gateway.endpoint.port}"
            printed = await sipvicious("svcrack", tmp_path, target, "-u", "anna", "-d", "passwords.txt")
            assert (ANNA.password in printed) is cracked, printed

    asyncio.run(scenario())
