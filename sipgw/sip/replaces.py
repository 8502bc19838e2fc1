"""Replaces (RFC 3891): an INVITE that takes the place of a call."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from sipgw.sip.dialog import Dialog, DialogId
from sipgw.sip.fields import FieldError, param, parse_params, split
from sipgw.sip.uri import Uri

_PLAIN = re.compile("[!#-~]+")


@dataclass(frozen=True)
class Replaces:
    """The call to replace, as the receiver of the INVITE identifies it."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> "Replaces":
        """Read a value (§6.1). Raises `FieldError`."""
        call_id, *pieces = split(text, ";")
        params = parse_params(pieces)
        to_tag, from_tag = param(params, "to-tag"), param(params, "from-tag")
        # The value may go into an INVITE of ours, and may come escaped in a URI: line ends are not accepted.
        if not all(_PLAIN.fullmatch(part or "") for part in (call_id, to_tag, from_tag)):
            raise FieldError(f"no Replaces: {text[:80]!r}")
        return cls(call_id, to_tag or "", from_tag or "", param(params, "early-only") is not None)

    @classmethod
    def of(cls, dialog: Dialog) -> "Replaces":
        """The Replaces by which the other side of `dialog` lets its call with us be replaced."""
        return cls(dialog.call_id, to_tag=dialog.remote.tag, from_tag=dialog.local.tag)

    @classmethod
    def in_uri(cls, uri: Uri) -> "Replaces | None":
        """The Replaces in the URI of a Refer-To, or None (RFC 5589 §7). Raises `FieldError`."""
        values = [value for name, _, value in (piece.partition("=") for piece in uri.headers.split("&"))
                  if name.lower() == "replaces"]  # fmt: skip
        if len(values) > 1:
            raise FieldError("two Replaces in a URI")
        return cls.parse(unquote(values[0], errors="replace")) if values else None

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"

    def escaped(self) -> str:
        """This Replaces as a header inside a URI (RFC 3261 §19.1.1)."""
        return f"Replaces={quote(str(self), safe='')}"

    @property
    def dialog(self) -> DialogId:
        """The identifier of the call to replace, on the side that gets the INVITE."""
        return DialogId(self.call_id, self.to_tag, self.from_tag)
