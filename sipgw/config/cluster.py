"""Options of a cluster of gateways, which share a Redis server."""

import re
import socket
from dataclasses import dataclass, field
from importlib.util import find_spec

from agent.rules.rule_error import RuleError

_REDIS = re.compile(r"(?:rediss?|unix)://\S+")
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class ClusterOptions:
    """The cluster of this gateway."""

    redis: str = field(default="", repr=False)
    """Address of the Redis server: ``redis://:password@host:6379/0``, or ``rediss://`` for TLS; ``pip install
    'sipgw[redis]'``. Empty: this gateway is not in a cluster."""
    prefix: str = "sipgw"
    """The beginning of the names of all keys: gateways with the same prefix form one cluster."""
    name: str = ""
    """The name of this gateway for the others; empty: the name of the machine."""

    def __post_init__(self) -> None:
        if self.redis and not _REDIS.fullmatch(self.redis):
            raise RuleError("must begin with redis://, rediss:// or unix://", "redis")
        if self.redis and find_spec("redis") is None:
            raise RuleError("Redis needs its client: pip install 'sipgw[redis]'", "redis")
        for name, value in (("prefix", self.prefix), ("name", self.name or "x")):
            if not _WORD.fullmatch(value):
                raise RuleError("must be letters, digits, '.', '_' and '-', at most 64", name)

    @property
    def called(self) -> str:
        """The name of this gateway: `name`, or the name of the machine."""
        return self.name or socket.gethostname()
