"""TLS for SIP (RFC 3261 §26.2, RFC 5922): our certificate, and the authorities that we trust."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

log = structlog.get_logger()

UNREAD: tuple[tuple[int, int, int], ...] = ()


class RuleError(ValueError):
    """A value of an option, or options together, that a rule refuses; `agent.rules` has the same class for `agent`.

    Parameters
    ----------
    problem
        What is wrong, in one clause. The key stands before it in messages.
    key, others
        The options that the rule is about. A message names the first that the file has, with its line.
    """

    def __init__(self, problem: str, key: str | tuple[str, ...], *others: str) -> None:
        self.problem = problem
        self.keys = tuple((one,) if isinstance(one, str) else one for one in (key, *others))
        super().__init__(f"{'.'.join(self.keys[0])}: {problem}")


class TlsError(Exception):
    """The certificate, key or authorities cannot be used; the message is one line that says what to do."""


@dataclass(frozen=True)
class TlsOptions:
    """TLS 1.2 and later: our certificate, and the authorities that we trust."""

    port: int = 5061
    """Port that is listened on when there is a certificate; 0 lets the system choose."""
    certificate: str = ""
    """PEM file with our certificate and its chain; also shown to servers that ask for one. Empty: we do not listen.
    When the file changes it is read again; connections that are up stay up."""
    key: str = ""
    """PEM file with its private key, without a passphrase; empty: it is in `certificate`."""
    ca: str = ""
    """PEM file with the authorities, or the self-signed certificates, that we trust; empty: those of the system."""
    verify: Literal["name", "authority"] = "name"
    """Check of the certificate of a server: `name`, that it is for the host we call; `authority`, only that somebody in
    `ca` vouches for it, as for a PBX that is called by its address.
    """
    clients: Literal["any", "verified"] = "any"
    """Clients that may connect to us: `verified`, only those with a certificate that somebody in `ca` vouches for."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise RuleError("must be from 0 to 65535", "port")
        if self.key and not self.certificate:
            raise RuleError("there is a key, so it needs 'certificate' too", "key")
        for name in ("verify", "clients"):
            if getattr(self, name) in ("authority", "verified") and not self.ca:
                raise RuleError(f"{getattr(self, name)!r} needs 'ca': the public authorities vouch for anybody", name)


class Tls:
    """The contexts of new connections. They are made anew when the files have changed."""

    def __init__(self, options: TlsOptions) -> None:
        self.options = options
        self._read = self._state()
        self._contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None = None

    def check(self) -> None:
        """Read the files. Raises `TlsError`."""
        if self._read == UNREAD:
            return  # nothing could be wrong, and reading the system's authorities takes 30 ms
        try:
            self._contexts = self._load()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise TlsError(f"cannot use the TLS files: {_cause(error)}; see [sip.tls]") from None

    def server(self) -> ssl.SSLContext:
        """The context of a connection that a peer opened to us."""
        return self._current()[0]

    def client(self) -> ssl.SSLContext:
        """The context of a connection that we open."""
        return self._current()[1]

    def _current(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        state = self._state()
        if state != self._read:
            self._read = state  # what cannot be used is not tried again until it changes again
            try:
                self._contexts = self._load()
                log.info("tls files read again")
            except (OSError, ValueError) as error:
                log.warning("new tls files not usable; the old ones stay", cause=_cause(error))
        if self._contexts is None:
            self._contexts = self._load()
        return self._contexts

    def _load(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        options = self.options
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client = ssl.create_default_context(cafile=options.ca or None)
        client.check_hostname = options.verify == "name"
        for context in (server, client):
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if options.certificate:
                context.load_cert_chain(options.certificate, options.key or None, password=_no_passphrase)
        if options.clients == "verified":
            server.verify_mode = ssl.CERT_REQUIRED
            server.load_verify_locations(options.ca)
        return server, client

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        states = []
        for name in filter(None, (self.options.certificate, self.options.key, self.options.ca)):
            try:
                stat = Path(name).stat()
                states.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
            except OSError:
                states.append((0, 0, 0))
        return tuple(states)


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")  # else OpenSSL asks for it on the terminal


def _cause(error: Exception) -> str:
    name = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return name + (getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error))
