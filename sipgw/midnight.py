"""The clock of this machine. Its midnight begins a new day for costs, for caps and for the page Home."""

from datetime import datetime


def local_now() -> datetime:
    """The time by the clock of this machine."""
    return datetime.now().astimezone()


def midnight(now: datetime) -> datetime:
    """The midnight that began the day of `now`.

    On a day when the clocks change, midnight has another UTC offset than `now`. A `now` of this machine's time zone
    holds only its own offset, so the system is asked for the offset at midnight.
    """
    begun = now.replace(hour=0, minute=0, second=0, microsecond=0)
    here = now.utcoffset() == now.astimezone().utcoffset()
    return begun.replace(tzinfo=None).astimezone() if here else begun
