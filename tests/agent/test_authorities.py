"""Servers whose certificates are signed by a company's own authority."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from agent.authorities import tls


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def company(folder: Path) -> tuple[Path, Path]:
    """The files of an authority as `openssl` and old tools make them, and of the key and certificate of its server.

    Its basic constraints are not critical, and no certificate names the key that has signed it (RFC 5280 §4.2.1).
    """
    now = datetime.now(UTC)
    key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def signed(subject: str, public: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> bytes:
        builder = x509.CertificateBuilder(name("Company"), name(subject), public, x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        return builder.add_extension(extension, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)

    authority, server = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(signed("Company", key.public_key(), x509.BasicConstraints(ca=True, path_length=None)))
    names = x509.SubjectAlternativeName([x509.DNSName("login.example")])
    secret = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    server.write_bytes(secret + signed("login.example", server_key.public_key(), names))
    return authority, server


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    """The handshake of TLS without a network. Raises `ssl.SSLError`."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(down, up, server_hostname=host), server.wrap_bio(up, down, server_side=True)]
    for _ in range(3):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_an_authority_that_does_not_obey_rfc_5280_in_all_fields_is_trusted_by_every_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, certificate = company(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    by_default = ssl.create_default_context

    def as_python_3_13_does() -> ssl.SSLContext:
        context = by_default()
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", as_python_3_13_does)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(as_python_3_13_does(), server, "login.example")
    trusting = tls.__wrapped__()
    shake_hands(trusting, server, "login.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(trusting, server, "other.example")
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tls.__wrapped__(), server, "login.example")
