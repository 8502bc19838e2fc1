"""Answering challenges (RFC 3261 §22): 401 by Authorization, 407 by Proxy-Authorization."""

from collections.abc import Callable
from dataclasses import replace

from sipgw.sip.digest import Challenge, Credentials, authorize, choose
from sipgw.sip.message import Request, Response

HEADERS = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}


MOST = 10
"""Challenges answered for one request. Without a limit, a server that calls every nonce stale would go on for ever."""


Challengers = frozenset[tuple[str, str]]
"""Realms that have challenged us, each with the address of the server that the challenge came from."""


class Authenticator:
    """Answers the challenges to one request and to its repetitions.

    Each realm is answered once for a proxy (407) and once for the called side (401). It is answered again for another
    server, and again if only the nonce was stale. `may` takes a realm and the address of a server, and says whether
    the server gets an answer. Without `may`, every server gets one.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        token: Callable[[], str],
        may: Callable[[str, str], bool] = lambda realm, server: True,
    ) -> None:
        self.challengers: Challengers = frozenset()
        """Realms and servers that were answered last. `forget_attempts` does not forget them."""
        self._credentials = credentials
        self._token = token
        self._may = may
        self._answered: dict[tuple[int, str], tuple[str, Challenge]] = {}
        self._tried: set[tuple[int, str, str]] = set()
        self._counts: dict[str, int] = {}
        self._before: dict[str, int] = {}
        """The counts of nonces that a server may give us again. The server would take a smaller count for a replay."""

    def retry(self, request: Request, response: Response, server: str = "") -> Request | None:
        """`request` again with the answer to the challenge in `response`, or None if it cannot be answered.

        `server` is the address that the challenge came from: another server does not know the nonce of the first.

        The caller gives it a new branch and the next CSeq.
        """
        asked = HEADERS.get(response.status)
        if asked is None or self._credentials is None:
            return None
        theirs, ours = asked
        challenge = choose(response.headers.lines(theirs), lambda realm: self._may(realm, server))
        if challenge is None or len(self._counts) >= MOST:
            return None
        key = (response.status, challenge.realm)
        stale = challenge.stale and challenge.nonce not in self._counts
        if (*key, server) in self._tried and not stale:
            return None
        self._tried.add((*key, server))
        self.challengers = frozenset((realm, at) for _, realm, at in self._tried)
        self._answered[key] = (ours, challenge)
        return self.sign(request)

    def sign(self, request: Request) -> Request:
        """`request` with the answers to every challenge seen so far."""
        if self._credentials is None or not self._answered:
            return request
        headers = request.headers.without("authorization", "proxy-authorization")
        for name, challenge in self._answered.values():
            used = self._counts.get(challenge.nonce, self._before.get(challenge.nonce, 0))
            count = self._counts[challenge.nonce] = used + 1  # RFC 7616 §3.4: it never repeats for one nonce
            value = authorize(
                challenge,
                self._credentials,
                request.method,
                str(request.uri),
                nc=count,
                cnonce=self._token(),
                body=request.body,
            )
            headers = headers.with_((name, value))
        return replace(request, headers=headers)

    def forget_attempts(self) -> None:
        """Forget all challenges, so that a later request can answer a fresh one; keep the counts of the last nonces."""
        if self._answered:
            self._before = {one.nonce: self._counts.get(one.nonce, 0) for _, one in self._answered.values()}
        self._answered.clear()
        self._tried.clear()
        self._counts.clear()


def renumber(request: Request) -> Request:
    """The same request with the next CSeq, for another try."""
    cseq = replace(request.cseq, number=request.cseq.number + 1)
    return replace(request, headers=request.headers.without("cseq", "via").with_(("CSeq", str(cseq))))
