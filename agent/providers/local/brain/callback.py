"""A call back being arranged: its phone number, its time and its topic, filled turn by turn."""

from dataclasses import dataclass, replace

from agent.providers.local.brain.numbers import separated

SHORTEST = 7
"""Digits of the shortest phone number that is read back as whole."""
LONGEST = 15
"""Digits of the longest phone number, ITU-T E.164 §6."""


@dataclass(frozen=True)
class Callback:
    """Known parts of the call back; empty strings are unknown."""

    phone: str = ""
    """Digits as dictated so far, perhaps with a leading ``+``."""
    when: str = ""
    """The time in the caller's words."""
    topic: str = ""
    """Topic of the call back."""

    @property
    def phone_complete(self) -> bool:
        """Whether there are enough digits to read them back."""
        return len(self.phone.lstrip("+")) >= SHORTEST

    @property
    def complete(self) -> bool:
        """Whether only the caller's yes is missing."""
        return self.phone_complete and bool(self.when)

    def dictated(self, digits: str, *, correcting: bool) -> "Callback":
        """With further `digits`: a whole number replaces, a few continue; when `correcting` they replace its ending.

        What is longer than `LONGEST` because it was said twice counts once. A number that grows beyond is forgotten,
        so that it is asked again.
        """
        plain = digits.lstrip("+")
        half, odd = divmod(len(plain), 2)
        if len(plain) > LONGEST and not odd and plain[:half] == plain[half:]:
            digits, plain = digits[:-half], plain[:half]
        if len(plain) >= SHORTEST:
            phone = digits
        elif correcting and self.phone_complete:
            phone = self.phone[: -len(plain)] + plain
        else:
            phone = self.phone + plain if self.phone else digits
        return replace(self, phone=phone if len(phone.lstrip("+")) <= LONGEST else "")

    def read_back(self) -> str:
        """Number and time for the ear."""
        return f"{separated(self.phone)}, {self.when}"
