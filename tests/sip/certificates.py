# mypy: disable-error-code="arg-type"
"""Certificates for tests, made by an authority of their own."""

from pathlib import Path

import trustme

from sipgw.sip.tls import TlsOptions


class Authority:
    """An authority and the files it has issued."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = trustme.CA()
        self.ca = folder / f"ca-{id(self)}.pem"
        self.root.cert_pem.write_to_path(self.ca)

    def issue(self, *names: str, file: str = "server.pem") -> Path:
        """A certificate for `names` with its key in one file."""
        path = self.folder / file
        self.root.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(path)
        return path

    def server(self, *names: str, **more: str) -> TlsOptions:
        """Options of somebody who is `names`."""
        return TlsOptions(0, str(self.issue(*(names or ("127.0.0.1", "::1", "localhost")))), ca=str(self.ca), **more)

    def client(self, **more: str) -> TlsOptions:
        """Options of somebody who believes this authority."""
        return TlsOptions(0, ca=str(self.ca), **more)
