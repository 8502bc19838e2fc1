"""The certificate authorities that connections to object storage trust."""

import ssl
from typing import Any

from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies


class _Connections(URLLib3Session):  # type: ignore[misc]
    """Connections that trust the authorities of this machine as well as those of the package certifi. By itself
    botocore reads only certifi's list, and has no option for a TLS context."""

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()
        context.load_default_certs()
        return context


def trust_as_others(client: Any, timeout: tuple[float, float]) -> None:
    """Let a client of boto3 trust the authorities of this machine, as all other connections do (`agent.authorities`).
    `timeout` has the limits in seconds for a connection and for an answer.
    """
    connections = _Connections(timeout=timeout, proxies=get_environ_proxies(client.meta.endpoint_url))
    client.meta.events.register("before-send.s3", lambda request, **_: connections.send(request))
