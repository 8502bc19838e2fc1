"""Transfer targets: selects people by name and working hours, in the order of attempts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sipgw.config.hours import on_duty
from sipgw.config.people import Mode, PersonOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.uri import Uri


@dataclass(frozen=True)
class TransferTarget:
    """A person whom a caller is transferred to."""

    uri: Uri
    """For `refer` and `attended` the Refer-To; otherwise the address that we call. A tel URI is dialled through the
    trunks; the URI of an account (``sip:anna``) is called at the account's phones."""
    mode: Mode = "refer"
    await_bye: float = 0.0
    """Seconds to wait for the other side's BYE after a transfer by REFER; then we hang up."""
    name: str = ""
    trunk: str = ""
    ring_timeout: float = 25.0
    by_refer: bool = False
    """Whether we first ask the caller's PBX to connect caller and person, after the person has accepted."""

    @property
    def called(self) -> str:
        """The name of the person in the record."""
        return f"{self.name} ({self.uri})" if self.name else str(self.uri)

    @property
    def bridged(self) -> bool:
        """Whether the gateway calls the person and bridges the sound."""
        return self.mode in ("bridge", "warm")


@dataclass(frozen=True)
class TransferTargets:
    """The people whom the callers of one trunk can be transferred to."""

    options: tuple[PersonOptions, ...]
    trunk: TrunkOptions
    """The caller's trunk."""
    last: Callable[[], TransferTarget | None] = lambda: None
    """The `transfer_to` of the trunk, tried after all others."""

    @classmethod
    def of(cls, person: TransferTarget | None, trunk: TrunkOptions) -> "TransferTargets | None":
        """Targets with only `person`; None without a person."""
        return None if person is None else cls((), trunk, lambda: person)

    @property
    def names(self) -> dict[str, str]:
        """The names that the model can choose from, each with the person's `about`."""
        found: dict[str, str] = {}
        for one in self.options:
            found[one.name] = found.get(one.name) or one.about
        return found

    def hunt(self, name: str, now: datetime) -> Sequence[TransferTarget]:
        """The people on duty, in the order in which they are tried; an unknown or empty `name` means anybody."""
        wanted = name.strip().lower()
        named = [one for one in self.options if one.name == wanted]
        chosen = named or self.options
        there = [self._person(one) for one in chosen if on_duty(one.spans, now.astimezone(one.zone), one.holidays)]
        last = None if named else self.last()
        return [*there, *([last] if last else [])]

    def named(self, name: str) -> TransferTarget | None:
        """The first person of that name, at any hour; None if there is none."""
        found = next((one for one in self.options if one.name == name.strip().lower()), None)
        return self._person(found) if found else None

    def _person(self, one: PersonOptions) -> TransferTarget:
        uri = one.uri
        if one.mode in ("refer", "attended") and uri.scheme == "tel":  # in the format of the caller's carrier
            uri = replace(self.trunk, transfer_to=uri.user).transfer_uri or uri
        by_refer = one.mode == "warm" and self.trunk.attended_transfer
        return TransferTarget(uri, one.mode, self.trunk.await_bye, one.name, one.trunk, one.ring_timeout, by_refer)
