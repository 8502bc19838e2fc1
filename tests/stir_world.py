# mypy: disable-error-code="arg-type"
"""An authority for signers of calls (RFC 8226), its certificates and the calls that they sign."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sipgw.config.stir import StirOptions
from sipgw.policy.stir.certificates import Unfetched
from sipgw.policy.stir.signer import StirSigner
from sipgw.policy.stir.tn_list import TN_AUTHORIZATION_LIST
from tests.waiting import HANG

URL = "https://certs.example.net/shaken.pem"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SPC = bytes.fromhex("3008a006160437303942")
"""A TNAuthorizationList with the service provider code 709B."""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    subject: str,
    key: Any,
    issuer: x509.Certificate | None,
    issuer_key: Any,
    *,
    ca: bool,
    valid: tuple[timedelta, timedelta] = (-DAY, 30 * DAY),
    tn_auth: bytes = SPC,
    at: datetime = NOW,
) -> x509.Certificate:
    """A certificate as the authorities of ATIS-1000080 make them."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer.subject if issuer else _name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at + valid[0])
        .not_valid_after(at + valid[1])
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.UnrecognizedExtension(TN_AUTHORIZATION_LIST, tn_auth), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class StirWorld:
    """A root, a certificate below it, and what its URL answers."""

    folder: Path
    fetched: list[str] = field(default_factory=list)
    served: dict[str, bytes] = field(default_factory=dict)
    at: datetime = NOW
    """When it is."""

    def __post_init__(self) -> None:
        self.now = self.at.timestamp()
        self.root_key, self.middle_key, self.key = p256(), p256(), p256()
        self.root = certificate("root", self.root_key, None, self.root_key, ca=True, at=self.at)
        self.middle = certificate("authority", self.middle_key, self.root, self.root_key, ca=True, at=self.at)
        self.renew(self.key)
        self.roots = self.folder / "roots.pem"
        self.roots.write_bytes(self.root.public_bytes(Encoding.PEM))

    def renew(self, key: Any = None) -> None:
        """Serve another certificate for the signer, of another key if none is given, and sign with it from now on."""
        self.key = key or p256()
        self.serve(certificate("signer", self.key, self.middle, self.middle_key, ca=False, at=self.at), self.middle)

    def serve(self, *chain: x509.Certificate, url: str = URL) -> None:
        self.served[url] = b"".join(one.public_bytes(Encoding.PEM) for one in chain)

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if url not in self.served:
            raise Unfetched("the server of the certificate answers 404")
        return self.served[url]

    def options(self, **more: Any) -> StirOptions:
        return StirOptions(**{"roots": str(self.roots), "limit": HANG} | more)

    def key_file(self, key: Any = None) -> str:
        path = self.folder / "key.pem"
        path.write_bytes((key or self.key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(path)

    def signer(self, *, key: Any = None, x5u: str = URL, attest: Any = "A") -> StirSigner:
        options = StirOptions(key=self.key_file(key), x5u=URL, attest=attest)
        object.__setattr__(options, "x5u", x5u)  # whatever somebody else writes there
        return StirSigner(options, lambda: self.now)

    def identity(self, caller: str, called: str, **more: Any) -> str:
        """The value of an Identity header."""
        return dict(self.signer(**more).fields(caller, called))["Identity"]
