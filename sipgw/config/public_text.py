"""Makes texts that may be shown: without passwords, and with only the host of a URL.

All values of options (`sipgw.config.masking`) and all messages about them (`OptionError`, `ConfigError`) go through it.
"""

import re

MASK = "***"
_WHOLE_URL = re.compile(r"(\s*(?:[a-z][a-z0-9+.-]*:)?//)(.*)", re.IGNORECASE | re.DOTALL)
_URL = re.compile(r"(?<![a-z0-9+.-])([a-z0-9+.-]+://)(\S*)", re.IGNORECASE)
_BASE = re.compile(r"(\$\{\w+\})[/?#].*", re.DOTALL)
_HOST = re.compile(r"(?:[\w.-]|\$\{\w+\}|\[[0-9a-f:.]+\])+(?::(?:[0-9]+|\$\{\w+\}))?", re.IGNORECASE)
_ADDRESS_END = re.compile(rf"{_HOST.pattern}(?:[/?;]\S*)?", re.IGNORECASE)
_UNTIL_LAST_AT = re.compile(r"(?<!\S)(\S+)@(?!sha256:[0-9a-f]{64}(?!\w))")
"""The text up to its last @, but not up to the @ of an image digest: ``image:1.2@sha256:…``."""
_PASSWORD = re.compile(
    r"(?<![^:@/?#<>\"'=,;])(?!(?:sips?|tel|mailto):|[a-z][\w+.-]*://)([^:@/?#<>\"'=,;]*:)(.+)", re.IGNORECASE
)
"""``user:password`` before the last @ of an address, also of a SIP URI. The password may have an @ in it.

Two steps read each character once; one pattern for both would take minutes for a long text without spaces."""
_QUOTED = re.compile(r"(?<!\w)(['\"])(.*?)\1(?!\w)", re.DOTALL)


def public(text: str) -> str:
    """`text` without passwords, and with only the host of its URLs."""
    if based := _BASE.fullmatch(text):
        return f"{based[1]}/{MASK}"
    if whole := _WHOLE_URL.fullmatch(text):
        return _host_of(whole)
    return _without_passwords(_URL.sub(_host_of, text))


def public_message(message: str) -> str:
    """A message for people. Values in quotation marks are made `public`, and passwords elsewhere are masked.

    URLs without quotation marks stay unchanged, because they are our own examples.
    """
    return _without_passwords(_QUOTED.sub(lambda quoted: f"{quoted[1]}{public(quoted[2])}{quoted[1]}", message))


def password_of(address: str) -> str:
    """The password of `address`, if that is ``user:password@host`` as a whole; "" for another text.

    Do not use it for prose, in which ``E-Mail:office@shop.example`` is no address with a password.
    """
    front = _UNTIL_LAST_AT.match(address)
    if front is None or not _ADDRESS_END.fullmatch(address, front.end()):
        return ""
    found = _PASSWORD.search(front[1])
    return found[2] if found else ""


def _without_passwords(text: str) -> str:
    return _UNTIL_LAST_AT.sub(lambda front: _PASSWORD.sub(rf"\1{MASK}", front[1]) + "@", text)


def _host_of(url: re.Match[str]) -> str:
    scheme, rest = url.groups()
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    # A password with a slash in it looks like a host: then an @ follows.
    if not _HOST.fullmatch(host) or "@" in rest.removeprefix(authority):
        return f"{scheme}{MASK}"
    return f"{scheme}{rest}" if rest.rstrip("/") == host else f"{scheme}{host}/{MASK}"
