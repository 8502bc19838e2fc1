"""Certificates of signers (RFC 8226): fetched by their URL, cached, and followed to a trusted root."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

import httpx2
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from agent.authorities import tls
from agent.bodies import TooLargeError, within
from agent.pinned import PrivateAddress, ask
from agent.pool import Pool, PoolFullError
from agent.rules.rule_error import RuleError
from sipgw.bounds import FULL
from sipgw.config.stir import unusable
from sipgw.policy.stir.tn_list import service_provider
from sipgw.sip.boundaries import bounded

NAMES = Pool("the names of certificate servers", workers=4, waiting=16)
"""Unknown senders choose these names, so looking them up must not delay anything else."""
PROOFS = Pool("the proofs of callers", workers=1, waiting=64)
"""Reads certificates, follows them to their roots, and verifies signatures. While it is full, no number is verified."""
LARGEST = 32 << 10
"""Bytes of a chain; one with four certificates has about 5,000."""
MOST_CERTIFICATES = 6
DEEPEST = 4
"""Certificates between a signer and a root."""
REMEMBERED = 1000
"""URLs whose chains are kept; a carrier has a handful."""
FRESH, AGAIN = 3600.0, 60.0
"""Seconds until a chain is fetched again, and until a URL is tried again that gave none."""
MOST_FETCHES = 8
"""URLs that are fetched at a time."""

_UNREADABLE = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip
"""Errors of the parser of certificates."""

Chain = tuple[x509.Certificate, ...]
Fetch = Callable[[str], Awaitable[bytes]]


def seconds() -> float:
    """The time, in seconds since 1970, as PASSporTs have it."""
    return datetime.now(UTC).timestamp()


class Unfetched(Exception):  # noqa: N818  an outcome
    """There is no certificate at the URL, for now; the message says why."""


class UntrustedCertificate(Exception):  # noqa: N818  an outcome
    """The certificate proves nothing; the message says why."""


async def _never(chain: Chain) -> bool:
    return False


class _Kept(NamedTuple):
    chain: Chain
    why: str
    """Why there is no chain; empty if there is one."""
    until: float


_FAILED = _Kept((), "the certificate could not be fetched: see the log", 0.0)
_NO_ROOM = _Kept((), "too many certificates are being fetched", 0.0)


class Certificates:
    """The chains that were fetched. Use it as an async context manager."""

    def __init__(self, roots: Sequence[x509.Certificate], limit: float, fetch: Fetch | None = None) -> None:
        """`fetch` takes the place of HTTPS; it raises `Unfetched`. `limit` is in seconds."""
        self._store = Store(list(roots))
        self._limit = limit
        self._fetch = fetch
        self._client: httpx2.AsyncClient | None = None
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[_Kept]] = {}
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        if self._fetch is None:
            limits = httpx2.Limits(max_connections=MOST_FETCHES, max_keepalive_connections=0)
            self._client = httpx2.AsyncClient(
                limits=limits, timeout=self._limit, trust_env=False, verify=tls(), event_hooks=within(LARGEST)
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._fetching.values():
            task.cancel()
        await self._group.__aexit__(None, None, None)
        if self._client is not None:
            await self._client.aclose()

    async def chain(self, url: str, usable: Callable[[Chain], Awaitable[bool]] = _never) -> Chain:
        """The certificates at `url`, that of the signer first; if they cannot be fetched again, the earlier ones.

        If the earlier ones are `usable`, they are returned at once while they are fetched again. Raises `Unfetched`.

        A fetch goes on when its caller is cancelled, so that the next call finds its result.
        """
        now = asyncio.get_running_loop().time()
        kept = self._kept.get(url)
        if kept is None or kept.until <= now:
            task = self._task(url)
            if kept is None or not (kept.chain and await usable(kept.chain)):
                kept = await asyncio.shield(task) if task else kept or _NO_ROOM
        elif kept.chain:
            self._kept.move_to_end(url)
        if kept.why:
            raise Unfetched(kept.why)
        return kept.chain

    def trusted(self, chain: Chain, at: datetime) -> x509.Certificate:
        """The signer's certificate, if it is valid at that time and leads to a root. Raises `UntrustedCertificate`."""
        signer, *others = chain
        if not signer.not_valid_before_utc <= at <= signer.not_valid_after_utc:
            raise UntrustedCertificate("the certificate has expired, or is not valid yet")
        # Signers have no host name, and other key usages than the web. So this is the policy for clients, and the rules
        # of the web apply only to authorities.
        builder = PolicyBuilder().time(at.astimezone(UTC).replace(tzinfo=None)).store(self._store)
        policies = builder.max_chain_depth(DEEPEST).extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
        )
        try:
            policies.build_client_verifier().verify(signer, others)
        except VerificationError as error:
            raise UntrustedCertificate(
                f"the certificate does not lead to a root of [stir] roots ({str(error)[:120]})"
            ) from None
        return signer

    def _task(self, url: str) -> "asyncio.Task[_Kept] | None":
        """The fetch of `url`, which may be going on; None if there is no room for it."""
        task = self._fetching.get(url)
        if task is None:
            if len(self._fetching) >= MOST_FETCHES:
                FULL["fetches of certificates"] += 1
                return None
            task = self._fetching[url] = self._group.create_task(
                bounded(self._fetched(url), _FAILED, "certificate not fetched")
            )
        return task

    async def _fetched(self, url: str) -> _Kept:
        """Fetch `url` and keep the result, or the reason why there is none."""
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._limit):
                data = await (self._fetch or self._get)(url)
                chain = await PROOFS.run(_read, data)
            kept = _Kept(chain, "", now + FRESH)
        except TimeoutError:
            kept = _Kept((), f"no certificate within {self._limit:g} s", now + AGAIN)
        except (Unfetched, PoolFullError) as error:
            kept = _Kept((), str(error), now + AGAIN)
        finally:
            del self._fetching[url]
        if kept.why and (before := self._kept.get(url)) and before.chain:
            kept = _Kept(before.chain, "", kept.until)
        self._kept[url] = kept
        self._kept.move_to_end(url)
        if len(self._kept) > REMEMBERED:
            FULL["certificates of signers"] += 1
            failed = (other for other, one in self._kept.items() if one.why)  # unknown senders can cause any number
            del self._kept[next(failed, next(iter(self._kept)))]
        return kept

    async def _get(self, text: str) -> bytes:
        if reason := unusable(text):
            raise Unfetched(f"the URL of the certificate is not used: {reason}")
        assert self._client is not None  # noqa: S101  it is opened with this
        try:
            response = await ask(self._client, "GET", httpx2.URL(text), NAMES)
            try:
                if response.status_code != 200:
                    raise Unfetched(f"the server of the certificate answers {response.status_code}")
                return await response.aread()
            finally:
                await response.aclose()
        except TooLargeError as error:
            raise Unfetched(f"the certificate is not used: {error}") from None
        except PrivateAddress as error:
            raise Unfetched(f"the certificate is not fetched: {error}") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError, PoolFullError) as error:
            raise Unfetched(f"the certificate cannot be fetched: {type(error).__name__}: {error}"[:200]) from None


def load_roots(path: str) -> list[x509.Certificate]:
    """The certificates of a PEM file. Raises `RuleError`."""
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())
    except OSError as error:
        raise RuleError(f"{path}: {error.strerror}", ("stir", "roots")) from None
    except ValueError as error:
        raise RuleError(f"{path} has no certificates in PEM: {error}", ("stir", "roots")) from None


def _read(data: bytes) -> Chain:
    """The certificates of a chain, that of the signer first (RFC 8226 §4, ATIS-1000074). Raises `Unfetched`."""
    try:
        found = x509.load_pem_x509_certificates(data)
        if len(found) > MOST_CERTIFICATES:
            raise Unfetched(f"a chain of more than {MOST_CERTIFICATES} certificates")
        key = found[0].public_key()
        usage = [one.value for one in found[0].extensions if isinstance(one.value, x509.KeyUsage)]
    except _UNREADABLE as error:
        raise Unfetched(f"there is no certificate in PEM at its URL ({type(error).__name__})") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unfetched("the certificate has no key for ES256")
    if any(not one.digital_signature for one in usage):
        raise Unfetched("the key of the certificate is not for signatures")
    return tuple(found)


def signer_of(certificate: x509.Certificate) -> str:
    """The service provider code of the TNAuthList (RFC 8226 §9), else the organisation or name of the subject."""
    if code := service_provider(certificate):
        return code
    for kind in (x509.NameOID.ORGANIZATION_NAME, x509.NameOID.COMMON_NAME):
        for attribute in certificate.subject.get_attributes_for_oid(kind):
            return str(attribute.value)[:64]
    return ""
