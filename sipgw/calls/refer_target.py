"""The destination of a call whose URI comes from the other side (Refer-To).

The URI is read once: the gate judges, the bill prices and the audit keeps the same number that is sent.
"""

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

from sipgw.config.numbers import EXTENSION, NumberError, shaped
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.identity import cleaned, number_of
from sipgw.sip.uri import Uri
from sipgw.trunks.route_selector import NotDialled

_SEPARATORS = re.compile(r"[ ().-]")
_NUMBER = re.compile(r"\+[0-9]{1,19}|[0-9*#]{1,32}")
_HARMLESS = ("transport", "user")
"""URI parameters that do not change the destination (RFC 3261 §19.1.1)."""


@dataclass(frozen=True)
class ReferTarget:
    """The destination of a call."""

    uri: Uri
    """The URI to send; a tel URI has no host yet, and its user part is the number alone."""
    number: str
    """Digits, maybe with a ``+`` before them, or a name."""
    outside: bool
    """Whether it is a telephone number, which the gate judges; otherwise it is an extension or a name."""

    @classmethod
    def of(cls, uri: Uri, trunk: TrunkOptions, *, dialog: bool = False) -> "ReferTarget":
        """Read the URI that the other side of `trunk` names. Raises `NotDialled` if it could mean two destinations.

        A number is sent without parameters: a local number with ``phone-context`` (RFC 3966 §5.1.5) is not the number
        of its digits, and other parameters do not matter to the destination. With `dialog` the URI names one end of a
        call whose place we take (RFC 3891): that may have any name that is not the digits of a number.
        """
        user, *parameters = uri.user.split(";")
        plain = unquote(user, errors="replace")
        digits = _SEPARATORS.sub("", plain)
        if uri.scheme not in ("sip", "sips", "tel") or uri.password:
            raise NotDialled(f"{uri.scheme}: addresses of this kind are not called")
        kept = tuple(one for one in uri.params if one[0].lower() in _HARMLESS)
        if _NUMBER.fullmatch(digits):
            contexts = [one for one in parameters if one.lower().startswith("phone-context")]
            if (contexts or uri.param("phone-context") is not None) and digits[0] != "+":
                raise NotDialled("a number with a phone-context is not called; send it with + and country code")
            told = trunk.from_carrier(digits)
            outside = told.startswith("+") or sum(map(str.isdigit, told)) > EXTENSION
            sent = replace(uri, user=digits.replace("#", "%23"), params=kept, headers="")
            return cls(sent, told if outside else digits, outside)
        named = plain[:1].isalpha() or (dialog and plain[:1].isdigit() and sum(map(str.isdigit, plain)) <= EXTENSION)
        if uri.scheme == "tel" or (uri.user and not named):
            raise NotDialled(f"{plain[:40]!r} is neither a number nor an extension nor a name")
        if not plain and not (uri.host[:1].isalpha() or "." in uri.host or ":" in uri.host):
            raise NotDialled("an address without a user part is not called")
        return cls(replace(uri, user=user, params=kept, headers=""), cleaned(plain), outside=False)

    @classmethod
    def known(cls, uri: Uri, trunk: TrunkOptions) -> "ReferTarget":
        """An address that the configuration names, or a phone that is registered here, called by way of `trunk`."""
        return cls(uri, trunk.from_carrier(number_of(uri)), outside=False)

    def permitted(self, number: str, trunk: TrunkOptions) -> "ReferTarget":
        """The destination after the gate has permitted `number`, in the trunk's format. Raises `NotDialled`."""
        try:
            return replace(
                self, uri=replace(self.uri, user=shaped(number, trunk.number_format, trunk.country)), number=number
            )
        except NumberError as error:
            raise NotDialled(str(error)) from None
