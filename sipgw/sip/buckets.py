"""Token buckets: limits for bursts and for rates per second. Sans-IO."""

import hashlib
from array import array


class Bucket:
    """One bucket: `burst` at once, refilled at `rate` per second."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._left = burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        if self.wait(now) > 0:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """Put back a token that was taken for nothing."""
        self._left = min(self.burst, self._left + 1)

    def wait(self, now: float) -> float:
        """Seconds until a token is there; 0 if one is."""
        if self._at is not None:
            self._left = min(self.burst, self._left + max(0.0, now - self._at) * self.rate)
        self._at = now
        return 0.0 if self._left >= 1 else (1 - self._left) / self.rate


class Buckets:
    """Buckets for any number of sources in a fixed amount of memory: a keyed hash of the source chooses the cell.

    A sender who does not know `key` cannot aim at the cell of another source. Invented sources take no memory.
    """

    def __init__(self, rate: float, burst: float, key: bytes, cells: int = 4096) -> None:
        self._rate = rate
        self._burst = burst
        self._key = key
        self._left = array("d", [burst]) * cells
        self._at = array("d", [float("-inf")]) * cells

    def take(self, who: str, now: float) -> bool:
        """Take one token of the source `who`, if there is one."""
        cell = self._filled(who, now)
        if self._left[cell] < 1:
            return False
        self._left[cell] -= 1
        return True

    def give_back(self, who: str, now: float) -> None:
        """Put back a token of the source `who` that was taken for nothing."""
        cell = self._filled(who, now)
        self._left[cell] = min(self._burst, self._left[cell] + 1)

    def empty(self, who: str, now: float) -> bool:
        """Whether the source `who` has no token left."""
        return self._left[self._filled(who, now)] < 1

    def full(self, who: str, now: float) -> bool:
        """Whether the source `who` has all its tokens."""
        return self._left[self._filled(who, now)] >= self._burst

    def _filled(self, who: str, now: float) -> int:
        digest = hashlib.blake2b(who.encode("utf-8", "replace"), digest_size=8, key=self._key).digest()
        cell = int.from_bytes(digest, "big") % len(self._left)
        self._left[cell] = min(self._burst, self._left[cell] + (now - self._at[cell]) * self._rate)
        self._at[cell] = max(now, self._at[cell])
        return cell
