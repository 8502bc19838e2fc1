"""For which numbers a certificate stands (RFC 8226 §9)."""

from pathlib import Path

import pytest

from tests.policy.stir.test_verifier import CALLED, CALLER, invite, verdict
from tests.stir_world import StirWorld, certificate


@pytest.fixture
def world(tmp_path: Path) -> StirWorld:
    return StirWorld(tmp_path)


def tn_list(*entries: tuple[int, bytes]) -> bytes:
    """A TNAuthorizationList with the entries of these tags."""
    return der(0x30, b"".join(der(*entry) for entry in entries))


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag, *((size,) if size < 0x80 else (0x82, size >> 8, size & 0xFF))]) + content


def ia5(text: str) -> bytes:
    return der(0x16, text.encode())


def span(start: str, count: int) -> tuple[int, bytes]:
    return 0xA1, der(0x30, ia5(start) + der(0x02, count.to_bytes(3, "big")))


@pytest.mark.parametrize(
    ("listed", "passes"),
    [(tn_list((0xA2, ia5("14155550100"))), True), (tn_list((0xA2, ia5("14155550101"))), False),
     (tn_list(span("14155550000", 200)), True), (tn_list(span("14155550000", 100)), False),
     (tn_list(span("14155550101", 5)), False), (tn_list(span("415555010", 10_000)), False),
     (tn_list((0xA2, ia5("1")), (0xA0, ia5("709B"))), True), (tn_list(), False), (b"\x30\xff", False),
     (tn_list(*[(0xA2, ia5("13105550199"))] * 50, (0xA2, ia5("14155550100"))), True),
     (tn_list((0xA1, ia5("14155550100"))), False), (tn_list((0xA3, ia5("14155550100"))), False),
     (tn_list((0xA2, der(0x0C, b"14155550100"))), False)],
)  # fmt: skip
def test_a_certificate_for_other_numbers_proves_nothing(world: StirWorld, listed: bytes, passes: bool) -> None:
    """RFC 8226 §9; a service provider code stands for any number."""
    world.serve(
        certificate("signer", world.key, world.middle, world.middle_key, ca=False, tn_auth=listed), world.middle
    )
    (found,) = verdict(world, invite(world.identity(CALLER, CALLED)))
    assert found is not None
    wanted = ("passed", "") if passes else ("failed", "its certificate is not for the caller's number")
    assert (found.result, found.reason) == wanted
