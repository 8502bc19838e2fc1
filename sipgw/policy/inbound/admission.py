"""Admission of requests: by network, by password, or both; with limits of rate and number. Sans-IO.

A refused sender learns nothing: strangers get no answer at all, unknown users the same answer as wrong passwords.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

import structlog

from sipgw.bounds import FULL
from sipgw.config.inbound import AccountOptions, AdmissionOptions
from sipgw.config.networks import Networks, plain, site
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.capacity import Capacity
from sipgw.policy.inbound.refusals import RefusalEntry, Refusals
from sipgw.sip.buckets import Bucket, Buckets
from sipgw.sip.challenge import Challenger, Proof
from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer
from sipgw.sip.message import Request
from sipgw.sip.uri import is_address
from sipgw.trunks.trunks import LOCAL_TRUNK, Trunks

log = structlog.get_logger()

DROP = Refusal(0)
"""Refuses a request without an answer."""
BUSY = Refusal(503, headers=(("Retry-After", "5"),))
"""503, not 486: carriers then try their next destination."""
LOCKED_OUT = "too many wrong passwords from this address: it gets no answer for a while"
STRANGERS_TOLD = 100
"""Number of strangers that are logged, once each."""
REMEMBERED = 1000
"""Number of remembered addresses: sources of accounts, and addresses that we sent requests to."""
ACCOUNTS_TRUNK = TrunkOptions(name="accounts", mode="peer", proof="digest", trust_identity=False)
"""The trunk of accounts that name none."""


class Admission:
    """Judges requests outside of calls."""

    def __init__(
        self,
        options: AdmissionOptions,
        trunks: Sequence[TrunkOptions],
        accounts: Sequence[AccountOptions],
        key: bytes,
        token: Callable[[], str],
    ) -> None:
        self.options = options
        self.trunks = Trunks(tuple(trunks) or (() if accounts else (LOCAL_TRUNK,)))
        self.capacity = Capacity(options.max_calls, options.delay_limit)
        self._accounts = {account.user: account for account in accounts}
        self._at_home = {account.user: Networks((net, True) for net in account.networks) for account in accounts}
        self._phones = Networks((network, True) for account in accounts for network in account.networks)
        passwords = {account.user: account.password for account in accounts}
        self._challenger = Challenger(options.realm, passwords, key, token, options.algorithms, _nonce_forgotten)
        self._limits = _Limits(options, key)
        self._proven: OrderedDict[str, None] = OrderedDict()
        self._met: OrderedDict[str, None] = OrderedDict()
        self._told = _RefusalLog()

    def screen(self, host: str, now: float) -> bool:
        """Whether a message from `host` is parsed at all; a flood of strangers is dropped."""
        return self.known(host) or self._limits.stranger(site(host), now)

    @property
    def refusals(self) -> Refusals:
        """The latest refusals."""
        return self._told.refusals

    @property
    def users(self) -> Collection[str]:
        """The names of the accounts."""
        return self._accounts.keys()

    def known(self, host: str) -> bool:
        """Whether `host` belongs to a trunk, an account has authenticated from there, or we sent a request to it."""
        if self.trunks.match(host) is not None:
            return True
        address = str(plain(host))
        return address in self._proven or address in self._met

    def met(self, host: str) -> None:
        """Note that we have sent a request to `host`: its messages are read even during a flood of strangers."""
        if is_address(host):
            _remember(self._met, host)

    def judge(self, request: Request, source: Peer, now: float) -> Refusal | None:
        """How a request outside a dialog is refused, or None to admit it."""
        trunk = self.trunks.match(source.host, request.uri.user)
        by_network = trunk is not None and trunk.proof == "network"
        if not by_network or (request.method == "REGISTER" and self._accounts):
            refusal = self._challenge(request, source, trunk, now)
            if refusal is not None:
                return refusal
            trunk = self.trunk_of(request, source)
        if request.method == "INVITE" and trunk is not None:
            return self._capacity(trunk, request, source, now)
        return BUSY if self.capacity.draining and request.method == "OPTIONS" else None

    def user(self, request: Request) -> str:
        """The account that an admitted request comes from; empty if it was admitted by network."""
        return self._challenger.user(request)

    def foreign(self, user: str, host: str) -> bool:
        """Whether `host`, a name or an IP address, is a server of a trunk that is not that of the account `user`."""
        account = self._accounts.get(user)
        return self.trunks.serve(host, account.trunk if account else "")

    def trunk_of(self, request: Request, source: Peer) -> TrunkOptions | None:
        """The trunk of an admitted request."""
        trunk = self.trunks.match(source.host, request.uri.user)
        if trunk is not None and trunk.proof == "network":
            return trunk
        account = self._accounts.get(self._challenger.user(request))
        return (self.trunks.named(account.trunk) or ACCOUNTS_TRUNK) if account else None

    def _capacity(self, trunk: TrunkOptions, request: Request, source: Peer, now: float) -> Refusal | None:
        more = request.headers.get("replaces") is None  # a call that replaces another takes no place of its own
        if more and (full := self.capacity.full(now)):
            why = full
        elif more and self.capacity.calls[trunk.name] >= trunk.max_calls:
            why = f"the trunk has {trunk.max_calls} calls, its max_calls"
        elif not self._limits.calls.take(site(source.host), now):
            why = f"more than {self.options.calls_per_second:g} calls per second from this address"
        else:
            return None
        self.note(trunk, RefusalEntry.of(request, source, now, BUSY.status, why))
        return BUSY

    def note(self, trunk: TrunkOptions, refused: RefusalEntry) -> None:
        """Record and log a call that is refused."""
        self.refusals.note(trunk.name, refused)
        if self._limits.lines.take(refused.at):
            log.warning(
                "call sent elsewhere", call=refused.call, trunk=trunk.name, status=refused.status, why=refused.why
            )

    def _challenge(self, request: Request, source: Peer, trunk: TrunkOptions | None, now: float) -> Refusal | None:
        if not self._phones.match(source.host):
            if trunk is None:
                self._told.stranger(request, source, now)
                return DROP
            if trunk.proof == "network":
                why = "it may call, but there are no accounts to register for"
                self.refusals.note(trunk.name, RefusalEntry.of(request, source, now, 403, why))
                return Refusal(403)  # it may call, but it cannot register here
        if request.method == "CANCEL":  # RFC 3261 §22.1: it cannot be answered with credentials
            return DROP
        user = self._challenger.user(request)
        # One address may have many phones: a phone with an old password must not lock out the others.
        who = f"{site(source.host)} {user if str(plain(source.host)) in self._proven else ''}"
        name = trunk.name if trunk else self._trunk_name(user)
        if self._limits.failures.empty(who, now):
            self.refusals.note(name, RefusalEntry.of(request, source, now, DROP.status, LOCKED_OUT))
            return DROP
        proof = self._challenger.prove(request, source.host, now)
        if proof is Proof.GIVEN and self._belongs(user, source, trunk):
            _remember(self._proven, source.host)
            return None
        if proof in (Proof.WRONG, Proof.GIVEN):
            self._limits.failures.take(who, now)
            if self._limits.lines.take(now):
                log.warning("wrong credentials", address=source.host, method=request.method)
                why = f"wrong password of the account {user!r}" if user in self._accounts else "an unknown account"
                if proof is Proof.GIVEN:
                    why = f"the account {user!r} must not come from there: see its networks"
                self.refusals.note(name, RefusalEntry.of(request, source, now, 401, why))
        stale = proof is Proof.STALE
        return Refusal(401, headers=self._challenger.challenge(source.host, now, stale=stale))

    def _belongs(self, user: str, source: Peer, trunk: TrunkOptions | None) -> bool:
        """Whether `user` may send from `source`: from the user's own networks, or from those of the user's trunk."""
        at_home = self._at_home[user].match(source.host) is not None
        return at_home or (trunk is not None and trunk.name == self._accounts[user].trunk)

    def _trunk_name(self, user: str) -> str:
        account = self._accounts.get(user)
        return (account.trunk if account else "") or ACCOUNTS_TRUNK.name


def _nonce_forgotten() -> None:
    FULL["nonces"] += 1


def _remember(hosts: OrderedDict[str, None], host: str) -> None:
    address = str(plain(host))
    hosts[address] = None
    hosts.move_to_end(address)
    if len(hosts) > REMEMBERED:
        FULL["addresses that were let in"] += 1
        hosts.popitem(last=False)


class _RefusalLog:
    """The log of refused senders; each stranger is logged once."""

    def __init__(self) -> None:
        self.refusals = Refusals()
        self._strangers: set[str] = set()

    def stranger(self, request: Request, source: Peer, now: float) -> None:
        """Record and log a request from an unknown address, once for each address."""
        if source.host in self._strangers:
            return
        if len(self._strangers) >= STRANGERS_TOLD:
            FULL["strangers that are told of"] += 1
            return
        self._strangers.add(source.host)
        log.warning("stranger ignored", address=source.host, method=request.method,
                    advice="if this is your carrier, add its network to [[trunks]] networks")  # fmt: skip
        why = "its address belongs to no trunk or account"
        self.refusals.note("", RefusalEntry.of(request, source, now, 0, why))


class _Limits:
    """The token buckets. Strangers have separate ones, so that a flood of strangers does not empty those of known
    senders."""

    def __init__(self, options: AdmissionOptions, key: bytes) -> None:
        self.lines = Bucket(1.0, 20.0)  # a log is memory too
        one, per_call = options.stranger_per_second, options.calls_per_second
        self._strangers = Bucket(options.strangers_per_second, options.strangers_per_second)
        self._stranger = Buckets(one, 5 * one, key)
        self.calls = Buckets(per_call, 4 * per_call, key)
        """New calls."""
        self.failures = Buckets(options.failures_per_minute / 60, options.failures_per_minute, key)
        """Wrong passwords."""

    def stranger(self, who: str, now: float) -> bool:
        """Whether another message of a stranger is parsed."""
        return self._stranger.take(who, now) and self._strangers.take(now)
