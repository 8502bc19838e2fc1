"""What offer and answer agree on for the sound of a call. Who only orders media loads nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """What offer and answer agreed on."""

    encoding: str
    """``PCMU`` or ``PCMA``."""
    payload_type: int
    dtmf_payload_type: int | None = None
    """Payload type of the telephone events that are sent (RFC 4733), if agreed."""
    inband_keys: bool = False
    """Whether keys are listened for in the sound when no telephone events were agreed."""
    dtmf_received: int | None = None
    """Payload type of those that come, where it is another (RFC 3264 §5.1); they may come under either."""
