"""Options of the object storage for files of calls."""

import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Literal
from urllib.parse import urlsplit

from agent.providers.extra import FIXED
from agent.rules.rule_error import RuleError

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9!_.*'()/-]{0,200}))?")

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ENDPOINT = re.compile(rf"https?://(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?/?")
"""Addresses that `endpoint` accepts. Pages name the endpoint in their Content-Security-Policy, so it may hold nothing
else. boto3 accepts no other host names."""


@dataclass(frozen=True)
class StorageOptions:
    """Object storage for recordings, captures and bundles: Amazon S3, or a server with its interface."""

    url: str = ""
    """Bucket and prefix: ``s3://my-bucket/sipgw``. Empty: files stay on the disk of the gateway."""
    endpoint: str = ""
    """The server, if it is not Amazon's: ``https://minio.example.com:9000``."""
    region: str = ""
    """The region of the bucket; empty: that of the environment (``AWS_REGION``), or ``us-east-1``."""
    access_key: str = field(default="", repr=False)
    """The access key. Empty: the credentials of the environment, of ``~/.aws``, or of the machine's role are used."""
    secret_key: str = field(default="", repr=False)
    """The secret of `access_key`."""
    encryption: Literal["", "AES256", "aws:kms"] = ""
    """Encryption at rest that each upload requests; empty: the encryption of the bucket."""
    kms_key: str = ""
    """The key for `aws:kms`; empty: the default key of the account."""
    local: Literal["remove", "keep"] = "remove"
    """Whether the file stays on the gateway's disk after its upload."""
    link_life: float = field(default=300.0, metadata=FIXED)
    """Seconds for which a link to a recording can be used."""

    def __post_init__(self) -> None:
        if not self.url:
            return
        if not _URL.fullmatch(self.url):
            raise RuleError("it is not like s3://bucket/prefix", "url")
        if not {".", ".."}.isdisjoint(self.prefix.split("/")):
            raise RuleError('the prefix has a part "." or "..", which browsers take out of links', "url")
        if bool(self.access_key) != bool(self.secret_key):
            raise RuleError("access_key and secret_key belong together", "access_key", "secret_key")
        if self.kms_key and self.encryption != "aws:kms":
            raise RuleError('kms_key needs encryption = "aws:kms"', "kms_key", "encryption")
        if self.endpoint and not _ENDPOINT.fullmatch(self.endpoint):
            raise RuleError("it is not like https://minio.example.com:9000; a host name has no underscore", "endpoint")
        if find_spec("boto3") is None:
            raise RuleError("object storage needs boto3: pip install 'sipgw[s3]'", "url")

    @property
    def bucket(self) -> str:
        """The bucket of `url`."""
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        """The prefix of `url`; it ends with a slash unless it is empty."""
        path = urlsplit(self.url).path.strip("/")
        return f"{path}/" if path else ""

    @property
    def origin(self) -> str:
        """The origin of the links to files, for the Content-Security-Policy of pages."""
        return self.endpoint.rstrip("/") if self.endpoint else "https://*.amazonaws.com"
