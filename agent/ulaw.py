"""Mu-law to 16-bit linear and back, in C: the standard library's `audioop`, or `audioop-lts` from Python 3.13 on.

Sans-IO.
"""

import warnings

with warnings.catch_warnings():
    # Python before 3.13 warns at each import that 3.13 removes it.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop as audioop  # noqa: PLC0414  re-exported


def to_linear(ulaw: bytes) -> bytes:
    """Mu-law samples as 16-bit little-endian linear ones."""
    return bytes(audioop.ulaw2lin(ulaw, 2))


def from_linear(linear: bytes) -> bytes:
    """16-bit little-endian linear samples as mu-law ones."""
    return bytes(audioop.lin2ulaw(linear, 2))


def audible(ulaw: bytes) -> bool:
    """Whether mu-law sound is anything but digital silence."""
    return bool(ulaw.strip(b"\xff\x7f"))


def level(ulaw: bytes) -> float:
    """The root mean square of mu-law sound on the 16-bit scale."""
    return float(audioop.rms(audioop.ulaw2lin(ulaw, 2), 2))
