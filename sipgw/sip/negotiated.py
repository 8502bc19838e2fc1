"""The result of offer and answer (RFC 3264)."""

from dataclasses import dataclass, field

from sipgw.sip.ice import Ice
from sipgw.sip.sdes import Secured


@dataclass(frozen=True)
class Negotiated:
    """The session on which both sides have agreed."""

    sdp: bytes = field(repr=False)
    """Our description: the answer, or the offer that was answered."""
    encoding: str
    payload_type: int
    dtmf_payload_type: int | None
    """Payload type of the telephone events that we send; None if none were agreed."""
    remote_address: str
    remote_port: int
    """0 if the other side has switched the stream off (RFC 3264 §6): then neither side sends."""
    direction: str
    """Our direction: ``sendrecv``, ``sendonly``, ``recvonly`` or ``inactive``."""
    control: tuple[str, int] | None = None
    """Where RTCP goes: None for the port after `remote_port`, the remote address and port themselves if multiplexed."""
    srtp: Secured | None = None
    """The keys, if the stream is SRTP."""
    dtmf_received: int | None = None
    """Payload type of the telephone events that we receive, if it is another: each direction has its own (RFC 3264
    §5.1)."""
    ice: Ice | None = None
    """Credentials of the other side's connectivity checks, if ICE was agreed (RFC 8839). These checks show the address
    of the other side; `remote_address` holds until then.
    """

    @property
    def on_hold(self) -> bool:
        """Whether the other side does not want to hear us."""
        return self.direction in ("recvonly", "inactive")
