"""Verifies the signed number of a caller (RFC 8224 §6.2) in a limited time. After an error it is not verified."""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from agent.errors import internal
from agent.pool import PoolFullError
from sipgw.bounds import FULL
from sipgw.cluster.cluster import Cluster
from sipgw.cluster.shared import Unreachable
from sipgw.config.stir import StirOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.stir.certificates import (
    PROOFS,
    Certificates,
    Chain,
    Fetch,
    Unfetched,
    UntrustedCertificate,
    load_roots,
    seconds,
    signer_of,
)
from sipgw.policy.stir.tn_list import may_sign
from sipgw.sip.identity import Identity, Stir, asserted_number, cleaned, number_of, reached
from sipgw.sip.message import Request
from sipgw.sip.passport import Passport, PassportError, Reconstruction, digits, identities, read

log = structlog.get_logger()

MOST_SEEN = 10_000
"""Signatures that are remembered: those of 80 calls a second, as long as they are fresh."""
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the group in which ES256 computes (FIPS 186-4 D.1.2.3)."""
_ORDER = ("passed", "failed", "unverified")
"""Results, the best first. Of several headers the best counts: a carrier on the way may have added one that is not for
us."""


_FIRST = """
redis.call('HSETNX', KEYS[1], 'by', ARGV[1])
if redis.call('HSETNX', KEYS[1], 'call', ARGV[2]) == 1 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return redis.call('HMGET', KEYS[1], 'by', 'call')
"""
"""Keeps trunk and Call-ID of the first call with a signature, and gives them back."""


class StirVerifier:
    """Verifies calls that come in. Use it as an async context manager. Raises `RuleError`."""

    def __init__(
        self,
        options: StirOptions,
        fetch: Fetch | None = None,
        now: Callable[[], float] = seconds,
        cluster: Cluster | None = None,
    ) -> None:
        """`fetch` takes the place of HTTPS, see `Certificates`; gateways of `cluster` tell each other of replays."""
        self._options = options
        self._cluster = cluster
        self._certificates = Certificates(load_roots(options.roots), options.limit, fetch)
        self._now = now
        self._seen: OrderedDict[bytes, tuple[float, tuple[str, str]]] = OrderedDict()
        """By signature: when it came first, and the trunk and the Call-ID of the first call with it."""

    async def __aenter__(self) -> Self:
        await self._certificates.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._certificates.__aexit__()

    async def verify(self, invite: Request, trunk: TrunkOptions) -> Stir | None:
        """The verdict on the caller of `invite`, which came by `trunk`; None if it is not signed."""
        found = identities(invite)
        if not found:
            return None
        verdicts: list[Stir] = []
        try:
            async with asyncio.timeout(self._options.limit):
                for one in found:
                    verdicts.append(await self._verdict(one, invite, trunk))
                    if verdicts[-1].result == "passed":
                        break
        except TimeoutError:
            verdicts.append(Stir("unverified", f"no verdict within {self._options.limit:g} s"))
        except Exception as error:  # a fault of ours must not end the call, and proves nothing
            log.exception("the verification of a caller failed")
            verdicts.append(Stir("unverified", internal(error)))
        verdict = min(verdicts, key=lambda one: _ORDER.index(one.result))
        log.info("caller verified", result=verdict.result, reason=verdict.reason, signer=verdict.signer)
        return verdict

    async def _verdict(self, value: str, invite: Request, trunk: TrunkOptions) -> Stir:
        told, to = asserted_number(invite, trusted=trunk.trust_identity), number_of(invite.to.uri)
        left_out = Reconstruction(digits(trunk.from_carrier(told)), digits(trunk.from_carrier(to)), _date(invite))
        try:
            passport = read(value, left_out)
        except PassportError as error:
            return Stir("failed", str(error))
        if passport.ppt not in ("", "shaken"):
            return Stir("unverified", f"a PASSporT of the kind {cleaned(passport.ppt)[:20]!r}")
        now = self._now()
        if unlike := self._unlike(passport, now, invite, trunk):
            return unlike
        try:
            signer = await self._signer(passport, datetime.fromtimestamp(now, UTC))
        except (Unfetched, PoolFullError) as error:
            return Stir("unverified", str(error))
        except UntrustedCertificate as error:
            return Stir("failed", str(error))
        if not may_sign(signer, passport.orig):
            return Stir("failed", "its certificate is not for the caller's number")
        by, call_id = await self._first_anywhere(_same(passport.signature), now, (trunk.name, invite.call_id))
        if by != trunk.name:
            return Stir("failed", "the same signature came by another trunk: it is replayed")
        if call_id != invite.call_id:
            return Stir("unverified", "the same signature came with another call: it is tried again, or replayed")
        return Stir("passed", "", passport.attest, cleaned(passport.origid), signer_of(signer))

    async def _signer(self, passport: Passport, at: datetime) -> x509.Certificate:
        """The certificate with whose key `passport` was signed. Raises `Unfetched`, `UntrustedCertificate`,
        `PoolFullError`.
        """

        async def usable(chain: Chain) -> bool:
            with contextlib.suppress(UntrustedCertificate):
                return bool(await PROOFS.run(self._proven, passport, chain, at))
            return False

        return await PROOFS.run(self._proven, passport, await self._certificates.chain(passport.x5u, usable), at)

    def _proven(self, passport: Passport, chain: Chain, at: datetime) -> x509.Certificate:
        """The certificate of `chain` with whose key `passport` was signed. Raises `UntrustedCertificate`."""
        signer = self._certificates.trusted(chain, at)
        if not genuine(passport, signer.public_key()):
            raise UntrustedCertificate("the signature is not that of the certificate")
        return signer

    def _unlike(self, passport: Passport, now: float, invite: Request, trunk: TrunkOptions) -> Stir | None:
        """The verdict if the claims are not those of this call, or None. It tells no number, because the caller may be
        withheld."""
        age, allowed = now - passport.iat, self._options.freshness
        if abs(age) > allowed:
            when = f"{age:.0f} s ago" if age > 0 else f"{-age:.0f} s ahead of our clock"
            return Stir("failed", f"it was signed {when}, and {allowed} s are allowed")
        callers = _numbers(asserted_number(invite, trusted=trunk.trust_identity), trunk)
        if passport.orig not in callers:
            if not callers and Identity.of(invite, trusted=trunk.trust_identity).withheld:
                return Stir("unverified", "the caller's number is withheld here too")
            return Stir("failed", "it is signed for another caller" if passport.orig else "it names no caller's number")
        to = _numbers(number_of(invite.to.uri), trunk)
        if not (_numbers(reached(invite, trusted=trunk.trust_identity), trunk) or to).isdisjoint(passport.dest):
            return None
        if not to.isdisjoint(passport.dest):  # a diverted call, or a signature that its receiver uses for another one
            return Stir("unverified", "it is signed for the number in To, and the call is to another one")
        return Stir("failed", "it is signed for a call to another number")

    async def _first_anywhere(self, signature: bytes, now: float, call: tuple[str, str]) -> tuple[str, str]:
        """The first call with that signature at all gateways of the cluster; at this one while Redis is away."""
        first = self._first(signature, now, call)
        if self._cluster is not None and first == call:
            key, lasts = f"stir:{hashlib.sha256(signature).hexdigest()}", 2 * self._options.freshness
            with contextlib.suppress(Unreachable):
                by, call_id = await self._cluster.shared.run(_FIRST, [key], [*call, lasts])
                return by, call_id
        return first

    def _first(self, signature: bytes, now: float, call: tuple[str, str]) -> tuple[str, str]:
        """The first call with that signature at this gateway, which may be `call`."""
        while self._seen and next(iter(self._seen.values()))[0] < now - 2 * self._options.freshness:
            self._seen.popitem(last=False)
        if signature not in self._seen:
            if len(self._seen) >= MOST_SEEN:
                FULL["signatures of callers"] += 1
                self._seen.popitem(last=False)
            self._seen[signature] = (now, call)
        return self._seen[signature][1]


def genuine(passport: Passport, key: CertificatePublicKeyTypes) -> bool:
    """Whether `key` has signed `passport` (RFC 7518 §3.4)."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    half = len(passport.signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (passport.signature[:half], passport.signature[half:]))
    try:
        key.verify(encode_dss_signature(r, s), passport.signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _same(signature: bytes) -> bytes:
    """The same value for both forms of a signature: if (R, S) is valid, (R, n - S) is too, and anybody can make it."""
    half = len(signature) // 2
    s = int.from_bytes(signature[half:], "big")
    return signature[:half] + min(s, _P256_ORDER - s).to_bytes(half, "big")


def _numbers(number: str, trunk: TrunkOptions) -> set[str]:
    """`number` as a PASSporT may have it: as the trunk means it, and as it is written; empty if it is no number."""
    return {digits(one) for one in (trunk.from_carrier(number), number)} - {""}


def _date(invite: Request) -> int | None:
    try:
        return int(parsedate_to_datetime((invite.headers.get("date") or "")[:64]).timestamp())
    except (ValueError, OverflowError):
        return None
