"""Whatever is forged, old, replayed or signed for another call is found out; what cannot be known is not believed."""

import asyncio
import base64
from collections.abc import Callable
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from sipgw.bounds import FULL
from sipgw.config.stir import StirOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.stir import certificates, verifier
from sipgw.policy.stir.certificates import LARGEST, signer_of
from sipgw.policy.stir.verifier import StirVerifier
from sipgw.sip.identity import Identity, Stir
from sipgw.sip.message import Request
from sipgw.sip.parse import parse_message
from sipgw.sip.passport import base64url, encoded
from tests.stir_world import DAY, URL, StirWorld, certificate, p256
from tests.waiting import HANG

CALLER, CALLED, OTHER = "+14155550100", "+12125550123", "+13105550199"
TRUNK = TrunkOptions("carrier", "peer", networks=("192.0.2.1/32",), country="US")
SOFTPHONES = TrunkOptions("phones", "peer", networks=("192.0.2.1/32",), country="US", trust_identity=False)


@pytest.fixture
def world(tmp_path: Path) -> StirWorld:
    return StirWorld(tmp_path)


def invite(
    *values: str,
    caller: str = CALLER,
    to: str = CALLED,
    uri: str = "",
    more: tuple[str, ...] = (),
    call_id: str = "call-1",
) -> Request:
    lines = (
        f"INVITE sip:{uri or to}@192.0.2.9 SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        f"From: <sip:{caller}@x>;tag=1", f"To: <sip:{to}@192.0.2.9>", f"Call-ID: {call_id}", "CSeq: 1 INVITE", *more,
        *(f"Identity: {one}" for one in values),
    )  # fmt: skip
    message = parse_message("\r\n".join((*lines, "", "")).encode())
    assert isinstance(message, Request)
    return message


def verdict(world: StirWorld, *requests: Request, trunk: TrunkOptions = TRUNK, **more: Any) -> list[Stir | None]:
    """The verdicts on `requests`, one after the other."""

    async def scene() -> list[Stir | None]:
        async with StirVerifier(world.options(**more), world.fetch, lambda: world.now) as checks:
            return [await checks.verify(one, trunk) for one in requests]

    return asyncio.run(scene())


def refused(world: StirWorld, request: Request, **more: Any) -> str:
    (found,) = verdict(world, request, **more)
    assert found is not None
    assert found.result == "failed"
    return found.reason


@pytest.mark.parametrize("attest", ["A", "B", "C"])
def test_a_call_that_is_signed_by_a_believed_authority_passes(world: StirWorld, attest: str) -> None:
    request = invite(world.identity(CALLER, CALLED, attest=attest))
    (found,) = verdict(world, request)
    assert found is not None
    assert (found.result, found.reason, found.attestation, found.signer) == ("passed", "", attest, "709B")
    assert len(found.origid) == 36
    caller = Identity.of(request)
    assert not caller.verified
    assert caller.headers == (), "the signature itself is not kept"
    told = Identity(number=CALLER, stir=found)
    assert told.verified is (attest == "A")
    assert told.as_dict()["stir"] == {
        "result": "passed",
        "attestation": attest,
        "origid": found.origid,
        "signer": "709B",
    }


def test_a_call_without_identity_has_no_verdict(world: StirWorld) -> None:
    assert verdict(world, invite()) == [None]
    assert world.fetched == []


def test_numbers_are_compared_as_the_trunk_means_them(world: StirWorld) -> None:
    value = world.identity(CALLER, CALLED)
    for caller, to in (("4155550100", "2125550123"), ("(415) 555-0100", CALLED), ("14155550100", "12125550123")):
        (found,) = verdict(world, invite(value, caller=caller.replace(" ", "%20"), to=to))
        assert found is not None
        assert (found.result, found.reason) == ("passed", "")


def test_the_asserted_number_counts_where_the_trunk_is_trusted(world: StirWorld) -> None:
    """The number that the agent is told must be the one that is signed."""
    asserted = (f"P-Asserted-Identity: <sip:{OTHER}@x>",)
    of_from, of_asserted = world.identity(CALLER, CALLED), world.identity(OTHER, CALLED)
    assert "signed for another caller" in refused(world, invite(of_from, more=asserted))
    (found,) = verdict(world, invite(of_asserted, more=asserted))
    assert found is not None
    assert found.result == "passed"
    assert "signed for another caller" in refused(world, invite(of_asserted, more=asserted), trunk=SOFTPHONES)
    (found,) = verdict(world, invite(of_asserted, caller="anonymous", more=(*asserted, "Privacy: id")))
    assert found is not None
    assert found.result == "passed", "a number may be signed and withheld from people"


def test_a_signature_for_another_call_fails(world: StirWorld) -> None:
    assert "signed for another caller" in refused(world, invite(world.identity(OTHER, CALLED)))
    assert "signed for a call to another number" in refused(world, invite(world.identity(CALLER, OTHER)))
    assert world.fetched == [], "it is not worth a fetch"


@pytest.mark.parametrize(("seconds", "passes"), [(59, True), (61, False), (-59, True), (-61, False), (86400, False)])
def test_an_old_signature_fails(world: StirWorld, *, seconds: int, passes: bool) -> None:
    value = world.identity(CALLER, CALLED)
    world.now += seconds
    (found,) = verdict(world, invite(value))
    assert found is not None
    assert (found.result == "passed") is passes
    told = f"signed {seconds} s ago" if seconds > 0 else f"signed {-seconds} s ahead of our clock"
    assert passes or told in found.reason
    if not passes and abs(seconds) < 600:
        (found,) = verdict(world, invite(value), freshness=600)
        assert found is not None
        assert found.result == "passed"


def test_a_signature_that_comes_again_proves_nothing_and_by_another_trunk_fails(world: StirWorld) -> None:
    """A carrier that tries a call again may do so from another address, or with a new Call-ID."""
    value = world.identity(CALLER, CALLED)
    again, another = invite(value), invite(value, call_id="call-2")
    assert [one and one.result for one in verdict(world, again, again, another)] == ["passed", "passed", "unverified"]

    async def elsewhere() -> None:
        async with StirVerifier(world.options(), world.fetch, lambda: world.now) as checks:
            assert (await checks.verify(again, TRUNK) or Stir("failed")).result == "passed"
            for request in (again, another):
                found = await checks.verify(request, SOFTPHONES)
                assert found is not None
                assert found.result == "failed"
                assert "replayed" in found.reason

    asyncio.run(elsewhere())


def test_the_other_signature_that_anybody_can_make_of_one_is_a_replay(world: StirWorld) -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    value = world.identity(CALLER, CALLED)
    token, _, params = value.partition(";")
    signed, _, text = token.rpartition(".")
    signature = base64.urlsafe_b64decode(text + "==")
    turned = signature[:32] + (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    replay = invite(f"{signed}.{base64url(turned)};{params}", call_id="call-2")
    assert [one and one.result for one in verdict(world, replay)] == ["passed"], "it is valid"
    assert [one and one.result for one in verdict(world, invite(value), replay)] == ["passed", "unverified"]


def test_the_table_of_signatures_is_bounded(world: StirWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "MOST_SEEN", 3)
    before = FULL["signatures of callers"]

    async def scene() -> None:
        async with StirVerifier(world.options(), world.fetch, lambda: world.now) as checks:
            for number in range(8):
                await checks.verify(invite(world.identity(CALLER, CALLED), call_id=str(number)), TRUNK)
                assert len(checks._seen) <= 3
            world.now += 200
            await checks.verify(invite(world.identity(CALLER, CALLED)), TRUNK)
            assert len(checks._seen) == 1, "old ones go by themselves"

    asyncio.run(scene())
    assert FULL["signatures of callers"] - before == 5


def test_a_wrong_key_fails(world: StirWorld) -> None:
    assert "not that of the certificate" in refused(world, invite(world.identity(CALLER, CALLED, key=p256())))


def test_changed_claims_fail(world: StirWorld) -> None:
    head, _, rest = world.identity(CALLER, CALLED, attest="C").partition(".")
    _, _, signature = rest.partition(".")
    claims = {
        "attest": "A",
        "dest": {"tn": ["12125550123"]},
        "iat": int(world.now),
        "orig": {"tn": "14155550100"},
        "origid": "x",
    }
    forged = f"{head}.{encoded({}, claims).partition('.')[2]}.{signature}"
    assert "not that of the certificate" in refused(world, invite(forged))


def test_what_is_no_passport_fails(world: StirWorld) -> None:
    assert "three parts" in refused(world, invite("nonsense"))
    head = base64url(b'{"alg":"none","typ":"passport","x5u":"https://x/y"}')
    assert "'none'" in refused(world, invite(f"{head}.e30."))


def _expired(world: StirWorld) -> None:
    world.serve(
        certificate("s", world.key, world.middle, world.middle_key, ca=False, valid=(-9 * DAY, -DAY)), world.middle
    )


def _future(world: StirWorld) -> None:
    world.serve(
        certificate("s", world.key, world.middle, world.middle_key, ca=False, valid=(DAY, 9 * DAY)), world.middle
    )


def _expired_middle(world: StirWorld) -> None:
    middle = certificate("authority", world.middle_key, world.root, world.root_key, ca=True, valid=(-9 * DAY, -DAY))
    world.serve(certificate("s", world.key, middle, world.middle_key, ca=False), middle)


def _other_root(world: StirWorld) -> None:
    key = p256()
    root = certificate("root", key, None, key, ca=True)
    world.serve(certificate("s", world.key, root, key, ca=False), root)


def _no_middle(world: StirWorld) -> None:
    world.serve(certificate("s", world.key, world.middle, world.middle_key, ca=False))


def _issued_by_a_signer(world: StirWorld) -> None:
    signer_key = p256()
    signer = certificate("thief", signer_key, world.middle, world.middle_key, ca=False)
    world.serve(certificate("s", world.key, signer, signer_key, ca=False), signer, world.middle)


def _self_signed(world: StirWorld) -> None:
    world.serve(certificate("root", world.key, None, world.key, ca=False))


@pytest.mark.parametrize(
    ("serve", "says"),
    [(_expired, "expired"), (_future, "not valid yet"), (_expired_middle, "does not lead"),
     (_other_root, "does not lead"), (_no_middle, "does not lead"), (_issued_by_a_signer, "does not lead"),
     (_self_signed, "does not lead")],
)  # fmt: skip
def test_a_certificate_that_leads_to_no_root_fails(
    world: StirWorld, serve: Callable[[StirWorld], None], says: str
) -> None:
    serve(world)
    assert says in refused(world, invite(world.identity(CALLER, CALLED)))


def _rsa() -> Any:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "no certificate in PEM"), (b"<html>", "no certificate in PEM"),
     (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate in PEM"), (None, "404")],
)  # fmt: skip
def test_without_a_certificate_nothing_is_known(world: StirWorld, data: bytes | None, says: str) -> None:
    world.served = {URL: data} if data is not None else {}
    first, second = verdict(world, invite(world.identity(CALLER, CALLED)), invite(world.identity(CALLER, CALLED)))
    assert first == second
    assert first is not None
    assert first.result == "unverified"
    assert says in first.reason
    assert world.fetched == [URL], "it is not asked again for a minute"


@pytest.mark.parametrize("key", [lambda: ec.generate_private_key(ec.SECP384R1()), _rsa])
def test_a_key_that_cannot_sign_es256_is_not_used(world: StirWorld, key: Callable[[], Any]) -> None:
    world.serve(certificate("s", key(), world.middle, world.middle_key, ca=False), world.middle)
    (found,) = verdict(world, invite(world.identity(CALLER, CALLED)))
    assert found == Stir("unverified", "the certificate has no key for ES256")


def test_the_certificate_of_an_authority_signs_no_calls(world: StirWorld) -> None:
    world.serve(world.middle)
    (found,) = verdict(world, invite(world.identity(CALLER, CALLED, key=world.middle_key)))
    assert found == Stir("unverified", "the key of the certificate is not for signatures")


def test_a_long_chain_is_not_followed(world: StirWorld) -> None:
    signer = certificate("s", world.key, world.middle, world.middle_key, ca=False)
    world.serve(signer, *[world.middle] * 9)
    (found,) = verdict(world, invite(world.identity(CALLER, CALLED)))
    assert found == Stir("unverified", "a chain of more than 6 certificates")


def test_the_best_of_several_headers_counts(world: StirWorld) -> None:
    good, wrong = world.identity(CALLER, CALLED), world.identity(OTHER, CALLED)
    other_kind = encoded({"alg": "ES256", "typ": "passport", "ppt": "div", "x5u": URL}, {"iat": int(world.now)})
    for values, result in (
        ((wrong, good), "passed"),
        ((wrong, "x"), "failed"),
        ((f"{other_kind}.{base64url(bytes(64))}",), "unverified"),
    ):
        (found,) = verdict(world, invite(*values))
        assert found is not None
        assert found.result == result


def test_the_compact_form_is_verified_by_from_to_and_date(world: StirWorld) -> None:
    now = int(world.now)
    claims = {"dest": {"tn": ["12125550123"]}, "iat": now, "orig": {"tn": "14155550100"}}
    text = encoded({"alg": "ES256", "typ": "passport", "x5u": URL}, claims)
    halves = decode_dss_signature(world.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    value = f"..{base64url(b''.join(half.to_bytes(32, 'big') for half in halves))};info=<{URL}>"
    date = (f"Date: {formatdate(now, usegmt=True)}",)
    (found,) = verdict(world, invite(value, more=date))
    assert found is not None
    assert (found.result, found.attestation) == ("passed", "")
    assert not Identity(number=CALLER, stir=found).verified, "it attests nothing"
    assert "not that of the certificate" in refused(world, invite(value, caller=OTHER, more=date))
    assert "compact form" in refused(world, invite(value))
    assert "compact form" in refused(world, invite(value, more=("Date: nonsense",)))


def test_a_server_that_does_not_answer_delays_no_call(world: StirWorld) -> None:
    async def scene() -> None:
        hangs = asyncio.Event()

        async def fetch(url: str) -> bytes:
            await hangs.wait()
            return world.served[url]

        async with StirVerifier(world.options(limit=0.1), fetch, lambda: world.now) as checks:
            found = await checks.verify(invite(world.identity(CALLER, CALLED)), TRUNK)
            assert found is not None
            assert found.result == "unverified"
            assert "within 0.1 s" in found.reason

    asyncio.run(scene())


def test_who_signed_is_told_by_the_code_or_the_name(world: StirWorld) -> None:
    def signer(tn_auth: bytes) -> str:
        return signer_of(
            certificate("Example Telecom", world.key, world.middle, world.middle_key, ca=False, tn_auth=tn_auth)
        )

    assert signer(bytes.fromhex("3008a006160437303942")) == "709B"
    assert signer(bytes.fromhex("300da20b1609313431353535353031")) == "Example Telecom", "a number, and no code"
    for broken in (b"", b"\x30", b"\x30\xff\xa0", b"\x30\x08\xa0\x06\x16\x7f709B", b"\xa0" * 50):
        assert isinstance(signer(broken), str)


def test_the_date_of_the_example_of_rfc_8224() -> None:
    assert verifier._date(invite(more=("Date: Fri, 25 Sep 2015 19:12:25 GMT",))) == 1443208345


def test_a_verdict_outweighs_the_word_of_the_carrier_only_if_it_is_one() -> None:
    said = {"number": CALLER, "verstat": "TN-Validation-Passed"}
    assert Identity(**said, stir=Stir("unverified", "x")).verified  # type: ignore[arg-type]
    assert Identity(**said, stir=Stir("passed", attestation="C")).verified  # type: ignore[arg-type]
    assert not Identity(**said, stir=Stir("failed", "x")).verified  # type: ignore[arg-type]
    assert not Identity(number=CALLER, attestation="A", stir=Stir("failed", "x")).verified
    assert timedelta(seconds=StirOptions().freshness) == timedelta(minutes=1), "RFC 8224 §6.2"
    assert LARGEST == 32768


def test_a_known_signer_waits_for_no_renewal_of_its_certificate(
    world: StirWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "FRESH", 0.0)

    async def scene() -> None:
        answers = asyncio.Event()
        answers.set()

        async def fetch(url: str) -> bytes:
            await answers.wait()
            return await world.fetch(url)

        async with StirVerifier(world.options(limit=HANG), fetch, lambda: world.now) as checks:
            assert await passes(checks, world)
            answers.clear()
            assert await passes(checks, world), "the chain is good for days, and it is renewed meanwhile"
            world.renew()
            answers.set()
            assert await passes(checks, world), "a signature with another key waits for the certificate of that key"

    asyncio.run(scene())


async def passes(checks: StirVerifier, world: StirWorld) -> bool:
    found = await checks.verify(invite(world.identity(CALLER, CALLED)), TRUNK)
    return found is not None and found.result == "passed"
