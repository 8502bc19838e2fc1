"""The messages of ConversationRelay, as Twilio and Telnyx document them. Sans-IO.

Twilio: https://www.twilio.com/docs/voice/conversationrelay/websocket-messages
Telnyx: https://developers.telnyx.com/api-reference/websockets/conversationrelay-websocket-channel

The gateway takes the vendor's place: it sends `setup`, `prompt`, `dtmf`, `interrupt` and `error` to the server. `read`
reads the server's messages.
"""

import base64
import hashlib
import hmac
import json
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, NamedTuple

LONGEST = 64_000
"""Characters of a message of the server."""
DIGITS = 64
"""Keys and pauses in one message."""
LOOPS = 1000
"""Times that a medium is played at most; 0 means as many."""
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:-[A-Za-z0-9]{2,8}){0,3}|multi", re.IGNORECASE)


class RelayFault(Exception):  # noqa: N818  a fault of the server's message, told to it in words
    """The server sent an invalid message; the text says why, for the author of the server."""


class Token(NamedTuple):
    """Text to be spoken; the tokens of a reply are one text."""

    text: str
    last: bool
    """Whether the reply ends with this token."""
    language: str = ""
    """ISO 639-1; empty for the present language."""
    interruptible: bool = True
    preemptible: bool = False
    """Whether the next text or medium of the server replaces this reply while it is still being spoken."""


class Play(NamedTuple):
    """A medium to be played to the caller."""

    source: str
    loop: int = 1
    interruptible: bool = True
    preemptible: bool = False


class SendDigits(NamedTuple):
    """Keys to be pressed; ``w`` is a pause of half a second."""

    digits: str


class SwitchLanguage(NamedTuple):
    """The language (ISO 639-1) of what is said and heard from now on."""

    language: str


class End(NamedTuple):
    """The end of the session; the gateway decides how the call goes on."""

    data: str = ""
    """The hand-off data; empty for none."""


Command = Play | SendDigits | SwitchLanguage | End


def read(message: str | bytes) -> Token | Command | None:
    """The token or command in a message of the server; None if it asks for nothing. Raises `RelayFault`."""
    if len(message) > LONGEST:
        raise RelayFault(f"a message has at most {LONGEST} characters")
    try:
        told = json.loads(message)
    except (ValueError, RecursionError):
        raise RelayFault("a message is a JSON object") from None
    if not isinstance(told, dict):
        raise RelayFault("a message is a JSON object")
    match told.get("type"):
        case "text":
            return _token(told)
        case "play":
            return _play(told)
        case "sendDigits":
            return _digits(told)
        case "language":
            return _switch(told)
        case "end":
            return _end(told)
        case kind:
            raise RelayFault(f"unknown type: {str(kind)[:40]}")


def _token(told: dict[str, Any]) -> Token:
    return Token(
        _text(told, "token"), _flag(told, "last", default=False), language_of(told.get("lang") or ""),
        _interruptible(told), _flag(told, "preemptible", default=False),
    )  # fmt: skip


def _play(told: dict[str, Any]) -> Play:
    loop = told.get("loop", 1)
    if isinstance(loop, str) and loop.isdecimal():
        loop = int(loop) if len(loop) < 10 else LOOPS
    if not isinstance(loop, int) or isinstance(loop, bool) or loop < 0:
        raise RelayFault("play: loop is a whole number, from 0")
    times = min(loop or LOOPS, LOOPS)
    return Play(_text(told, "source"), times, _interruptible(told), _flag(told, "preemptible", default=False))


def _digits(told: dict[str, Any]) -> SendDigits:
    digits = _text(told, "digits").lower()
    if not digits or len(digits) > DIGITS or set(digits) - set("0123456789*#abcdw"):
        raise RelayFault(f"sendDigits: digits are 1 to {DIGITS} of 0-9, *, #, A-D and w")
    return SendDigits(digits)


def _switch(told: dict[str, Any]) -> SwitchLanguage | None:
    given = {name: told.get(name) or "" for name in ("ttsLanguage", "transcriptionLanguage")}
    if not any(given.values()):
        raise RelayFault("language: ttsLanguage or transcriptionLanguage is missing")
    spoken, heard = (language_of(one) for one in given.values())
    if spoken and heard and spoken != heard:
        raise RelayFault(f"language: speech and recognition must have the same language, not {spoken} and {heard}")
    return SwitchLanguage(spoken or heard) if spoken or heard else None  # both "multi": it is detected in any case


def _end(told: dict[str, Any]) -> End:
    data = told.get("handoffData")
    if data is None or isinstance(data, str):
        return End(data or "")
    return End(json.dumps(data))  # an object that was not written as a string


def language_of(tag: object) -> str:
    """The ISO 639-1 code of a BCP 47 tag; empty for none and for ``multi``. Raises `RelayFault`."""
    if tag == "":
        return ""
    found = _LANGUAGE.fullmatch(tag) if isinstance(tag, str) else None
    if found is None:
        raise RelayFault(f"{str(tag)[:40]!r} is not a language such as en-US")
    return (found[1] or "").lower()


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str):
        raise RelayFault(f"{told['type']}: {name} must be a string")
    return value


def _flag(told: dict[str, Any], name: str, *, default: bool) -> bool:
    value = told.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise RelayFault(f"{told['type']}: {name} must be true or false")
    return value


def _interruptible(told: dict[str, Any]) -> bool:
    """`interruptible` of a message is a boolean; the words of the attribute of that name are taken, too."""
    given = told.get("interruptible")
    if given in ("none", "any", "speech", "dtmf"):
        return bool(given != "none")
    return _flag(told, "interruptible", default=True)


# To the server


def prompt(text: str, language: str, *, last: bool) -> str:
    """The message that the caller said `text`, in `language` (ISO 639-1); without `last` the caller goes on."""
    return json.dumps({"type": "prompt", "voicePrompt": text, "lang": language, "last": last})


def dtmf(key: str) -> str:
    """The message that the caller pressed a key."""
    return json.dumps({"type": "dtmf", "digit": key})


def interrupt(heard: str, seconds: float) -> str:
    """The message that the caller broke the reply off after so many seconds of it, having heard `heard` of it."""
    milliseconds = round(1000 * seconds)
    return json.dumps({"type": "interrupt", "utteranceUntilInterrupt": heard, "durationUntilInterruptMs": milliseconds})


def error(description: str) -> str:
    """The message that a message of the server was not followed."""
    return json.dumps({"type": "error", "description": f"Invalid message: {description}"})


def signature(url: str, key: str) -> str:
    """The value of ``X-Twilio-Signature`` for a websocket to `url`.

    The parameters of the query are signed after the address, sorted by name, as Twilio's own server library
    (`twilio-agent-connect`) checks it: https://www.twilio.com/docs/usage/security#validating-requests
    """
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = dict(reversed(urllib.parse.parse_qsl(parts.query)))  # if a name is given twice, its first value counts
    signed = f"{parts.scheme}://{host}{parts.path or '/'}" + "".join(name + query[name] for name in sorted(query))
    digest = hmac.new(key.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def heard_of(sent: str, heard: str) -> str:
    """The beginning of `sent`, the server's tokens unchanged, that was heard; `heard` has the same words with other
    spaces.

    Servers look for this text in what they have sent.
    """
    at = 0
    for letter in heard:
        if letter.isspace():
            continue
        while sent[at : at + 1].isspace():
            at += 1
        if sent[at : at + 1] != letter:
            return heard
        at += 1
    return sent[:at].lstrip()


def setup(fields: Mapping[str, str], parameters: Mapping[str, str], session: str) -> str:
    """The first message of a session: whose call it is."""
    return json.dumps({"type": "setup", "sessionId": session, **fields, "customParameters": dict(parameters)})
