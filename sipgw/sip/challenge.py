"""Digest authentication of others (RFC 3261 §22.1, RFC 7616, RFC 8760): the server's half. Sans-IO.

A nonce carries its own proof, so a challenge takes no memory. Only a right answer takes memory: the count of its nonce.
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from sipgw.sip.digest import Challenge, Credentials, parse_digest, verify
from sipgw.sip.fields import FieldError
from sipgw.sip.message import Request
from sipgw.sip.uri import Uri, UriError

NONCE_LIFE = 300.0
"""Seconds for which a nonce is valid. After that, the phone must answer a new one (``stale=true``)."""
COUNTS_KEPT = 10_000
"""Nonces whose counts are remembered."""
ALGORITHMS = ("SHA-256", "MD5")
"""The algorithms that we offer, the strongest first (RFC 8760 §2.3); MD5 for phones without another one."""
LONGEST = 2048
"""The longest Authorization header that is read, in characters."""
_COUNT = re.compile("[0-9a-fA-F]{8}")
Fields = tuple[tuple[str, str], ...]


class Proof(Enum):
    """The result of checking a request's credentials."""

    NONE = "none"
    """The request has no credentials for our realm."""
    WRONG = "wrong"
    """Unknown user or wrong password; neither the answer nor its time shows which."""
    STALE = "stale"
    """The nonce is not one that we gave to this source; or the password is right, but the nonce is old or was used."""
    GIVEN = "given"


class Challenger:
    """Makes the challenges for one realm, and checks the answers to them."""

    def __init__(
        self,
        realm: str,
        passwords: Mapping[str, str],
        key: bytes,
        token: Callable[[], str],
        algorithms: Sequence[str] = ALGORITHMS,
        forgot: Callable[[], None] = lambda: None,
    ) -> None:
        """`forgot` is called when the table is full, so that the count of a nonce takes the place of an older one."""
        self.realm = realm
        self.algorithms = algorithms
        self._passwords = passwords
        self._key = key
        self._token = token
        self._forgot = forgot
        self._nobody = hmac.digest(key, b"nobody", "sha256").hex()
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._floor = -1.0

    def challenge(self, source: str, now: float, *, stale: bool = False) -> Fields:
        """The headers of a 401 for `source`, an address."""
        issued = f"{int(now * 1000):x}.{self._token()}"
        nonce = f"{issued}.{self._mac(issued, source)}"
        more = ", stale=true" if stale else ""
        return tuple(
            (
                "WWW-Authenticate",
                f'Digest realm="{self.realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{more}',
            )
            for algorithm in self.algorithms
        )

    def user(self, request: Request) -> str:
        """The user name in `request`, or an empty string. Only `Proof.GIVEN` proves that the user sent it."""
        given = self._given(request)
        return given[1].get("username", "") if given else ""

    def prove(self, request: Request, source: str, now: float) -> Proof:
        """Check the credentials of `request`. This uses up the nonce count."""
        found = self._given(request)
        if found is None:
            return Proof.NONE
        value, given = found
        username, nonce = given.get("username", ""), given.get("nonce", "")
        if not self._ours(nonce, source):
            return Proof.STALE  # before the password is checked: so no sender can guess with another's address
        algorithm = given.get("algorithm", "MD5")
        if algorithm.upper() not in self.algorithms:
            algorithm = self.algorithms[0]  # `verify` refuses an algorithm that was not offered
        challenge = Challenge(self.realm, nonce, algorithm, ("auth",), given.get("opaque"))
        credentials = Credentials(username, self._passwords.get(username, self._nobody))
        right = verify(value, challenge, credentials, request.method, request.body)
        right &= username in self._passwords and self._meant(given, request)
        if not right:
            return Proof.WRONG
        count = int(given["nc"], 16)
        if not self._fresh(nonce, now) or count <= self._counts.get(nonce, 0):
            return Proof.STALE
        self._remember(nonce, count)
        return Proof.GIVEN

    def _given(self, request: Request) -> tuple[str, dict[str, str]] | None:
        """The first Authorization for our realm."""
        for value in request.headers.lines("authorization")[:4]:
            if len(value) > LONGEST:
                continue
            try:
                given = parse_digest(value)
            except FieldError:
                continue
            if given.get("realm") == self.realm:
                return value, given
        return None

    @staticmethod
    def _meant(given: dict[str, str], request: Request) -> bool:
        """Whether the answer is for this request: it has the same URI (RFC 7616 §3.4.6), a count and a cnonce."""
        if not (_COUNT.fullmatch(given.get("nc", "")) and given.get("cnonce")):
            return False
        if given.get("uri") == str(request.uri):
            return True
        try:
            return Uri.parse(given.get("uri", "")).equivalent(request.uri)
        except UriError:
            return False

    def _ours(self, nonce: str, source: str) -> bool:
        """Whether we gave this nonce to `source`; a sender with a forged address has never seen it."""
        issued, dot, mac = nonce.rpartition(".")
        expected = self._mac(issued, source)
        return bool(dot) and hmac.compare_digest(mac.encode("utf-8", "replace"), expected.encode())

    def _fresh(self, nonce: str, now: float) -> bool:
        at = _issued(nonce)
        return self._floor < at <= now + 1 and now - at < NONCE_LIFE

    def _remember(self, nonce: str, count: int) -> None:
        self._counts[nonce] = count
        self._counts.move_to_end(nonce)
        if len(self._counts) > COUNTS_KEPT:
            # A forgotten count would allow a replay, so nonces as old as this one are stale from now on.
            forgotten, _ = self._counts.popitem(last=False)
            self._forgot()
            self._floor = max(self._floor, _issued(forgotten))

    def _mac(self, issued: str, source: str) -> str:
        text = f"{issued} {source} {self.realm}".encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, text, hashlib.sha256).hex()[:32]


def _issued(nonce: str) -> float:
    """When we made a nonce, in seconds."""
    return int(nonce.partition(".")[0], 16) / 1000
