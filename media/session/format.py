"""The format of the sound of one call."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """The result of offer and answer."""

    encoding: str
    """``PCMU`` or ``PCMA``."""
    payload_type: int
    dtmf_payload_type: int | None = None
    """Payload type of the telephone events that we send (RFC 4733), if they were agreed."""
    inband_keys: bool = False
    """Whether keys are detected as tones in the sound when no telephone events were agreed."""
    dtmf_received: int | None = None
    """Payload type of the events that we receive, if it differs (RFC 3264 §5.1); both types are accepted."""
