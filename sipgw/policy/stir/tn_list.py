"""The TNAuthorizationList of a certificate (RFC 8226 §9): what its holder may sign for. Sans-IO."""

from collections.abc import Iterator

from cryptography import x509

TN_AUTHORIZATION_LIST = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.26")
_SPC, _RANGE, _ONE = 0xA0, 0xA1, 0xA2
"""Tags of the entries: a service provider code, a range of numbers, one number."""
_SEQUENCE, _IA5, _INTEGER = 0x30, 0x16, 0x02


def service_provider(certificate: x509.Certificate) -> str:
    """The first service provider code; empty without one."""
    for tag, content in _entries(certificate) or ():
        for inner, text in _values(content):
            if (tag, inner) == (_SPC, _IA5):
                return "".join(filter(str.isprintable, text.decode("ascii", "replace")))[:16]
    return ""


def may_sign(certificate: x509.Certificate, number: str) -> bool:
    """Whether the list allows `number`, digits with country code.

    A service provider code allows every number, because no certificate tells which numbers the provider has. A
    certificate without a list allows every number, too, because the authorities decide whether they issue such
    certificates. A list that cannot be read allows none.
    """
    entries = _entries(certificate)
    return entries is None or any(_allows(tag, content, number) for tag, content in entries)


def _entries(certificate: x509.Certificate) -> list[tuple[int, bytes]] | None:
    """Tags and contents of the entries; None without a list."""
    for extension in certificate.extensions:
        value = extension.value
        if extension.oid == TN_AUTHORIZATION_LIST and isinstance(value, x509.UnrecognizedExtension):
            return [entry for tag, content in _values(value.value) if tag == _SEQUENCE for entry in _values(content)]
    return None


def _allows(tag: int, content: bytes, number: str) -> bool:
    values = list(_values(content))
    if tag == _RANGE and values and values[0][0] == _SEQUENCE:
        values = list(_values(values[0][1]))
        if [kind for kind, _ in values] != [_IA5, _INTEGER] or not values[0][1].isdigit() or not number.isdecimal():
            return False
        start, count = values[0][1].decode("ascii"), int.from_bytes(values[1][1], "big")
        return len(number) == len(start) and 0 <= int(number) - int(start) < count
    if len(values) != 1 or values[0][0] != _IA5:
        return False
    return tag == _SPC or (tag == _ONE and values[0][1].decode("ascii", "replace") == number)


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents of DER values in a row, up to one that cannot be read."""
    at = 0
    while at + 2 <= len(der):
        tag, length, begin = der[at], der[at + 1], at + 2
        if length >= 0x80:
            size = length & 0x7F
            length, begin = int.from_bytes(der[begin : begin + size], "big"), begin + size
        at = begin + length
        if at > len(der):
            return
        yield tag, der[begin:at]
