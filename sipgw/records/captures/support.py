"""The support bundle: data for a helper, without private or secret data.

It contains the configuration, versions, trunks, the log, and for the latest calls the ending, SIP ladder, latency and
quality. Words are left out; passwords and keys are masked wherever they stand, and so are telephone
numbers but for their last three digits, and names.
"""

import io
import json
import platform
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions
from typing import Any

from sipgw import __version__
from sipgw.config.masking import masked_table, secrets_of
from sipgw.config.public_text import MASK
from sipgw.records.captures.explain import explain, findings, refused_sources
from sipgw.records.captures.timeline import changed
from sipgw.sip.trace import redacted
from sipgw.telemetry.log import redact

CALLS = 50
"""Number of calls at most: the latest ones."""
LOG_BYTES = 2 << 20
"""Bytes of the log at most: its end."""
_USER = re.compile(r"(?i)\b(sips?:)([^@;>\s\"'<]+)(?=@)")
_TEL = re.compile(r"(?i)\b((?:sips?|tel):)(\+?[0-9][0-9.()*#-]*[0-9])(?=[@;>\s,\"']|$)")
_NUMBER = re.compile(
    r"\+[ .(/-]{0,2}[0-9](?:(?: (?![0-9]{1,3}(?:\.[0-9]{1,3}){3})|[.()/-]){0,3}[0-9]){6,14}"
    r"|(?<![\w.])[0-9]{7,15}(?!\w|\.[0-9])"
    r"|(?<![\w.:-])\(?[0-9]{1,5}\)?(?:[ -]\(?[0-9]{2,8}\)?){1,5}(?!\w|[:.-][0-9])"
    r"|(?<![\w.])[0-9]{3}\.[0-9]{3}\.[0-9]{4}(?![\w.])"
    r"|(?<!\w)\([0-9]{2,5}\)[ ./-]?[0-9]{2,8}(?:[ ./-][0-9]{2,8})*(?!\w|[:.-][0-9])"
    r"|(?<![\w./])(?:[0-9]{3}/[0-9]{3}/[0-9]{4}|0[0-9]{1,5}/[0-9]{4,9})(?![\w./])"
)
"""Telephone numbers in all spellings: with a plus, in one piece without a plus, in groups. Dates look similar."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*")
SHORTEST = 3
"""Minimum letters of a name: "e" is in every word."""
FEWEST = 7
"""Minimum digits of a telephone number."""
_WHO = (
    "caller", "called", "callee", "name", "display_name", "who", "from", "to", "target", "dialled", "referred_by",
    "user", "username", "user_name", "account", "operator", "person",
)  # fmt: skip
_FIELD = re.compile(
    rf"(?i)\b((?:{'|'.join(_WHO)})=)"
    r"(?:\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s\"']+(?-i:(?: [^\W\d_a-z][\w'’.-]*(?!\S*=))*))"
)
"""Fields of log lines that identify participants of a call."""
_DICT_FIELD = re.compile(
    rf"(?im)((\"|')(?:{'|'.join(_WHO)})\2 *: *)"
    r"(?:\"(?:[^\"\\\r\n]|\\.)*(?:\"|$)|'(?:[^'\\\r\n]|\\.)*(?:'|$)|\[[^\]\r\n]*(?:\]|$)|\{[^{}\r\n]*(?:\}|$))"
)
"""Like `_FIELD`, in truncated or nested JSON lines, and in Python's repr of dictionaries."""
_TOLD = re.compile(
    r"(?i)\b((?:caller|called|callee|name)\"?: *\"?)"
    r"(?-i:[^\W\d_a-z][\w'’.-]*(?: [^\W\d_a-z][\w'’.-]*)*)"
)
"""Like `_FIELD`, for names in a sentence or in JSON."""
_NAMED = "from|to|f|t|contact|m|referred-by|b|p-asserted-identity|p-preferred-identity|remote-party-id|diversion"
_NAME = re.compile(rf'(?im)^((?:{_NAMED})[ \t]*:[ \t]*)(?:"(?:[^"\\\r\n]|\\.)*"|[^<\r\n"]*)(?=[ \t]*<)')
_SPOKEN = ("caller", "said", "heard", "tools")


def bundle(
    configs: Mapping[str, Any],
    calls: Iterable[Mapping[str, Any]],
    *,
    trunks: Iterable[Any] = (),
    log: str = "",
    metrics: str = "",
) -> bytes:
    """A zip file. `configs` are those of the gateway and its agents by name, `calls` as `evidence.timeline` makes them.

    `trunks` are `sipgw.gateway.gateway.TrunkStatus` of a running gateway; `metrics` is the text for Prometheus.
    """
    calls = list(calls)[:CALLS]
    secrets = sorted(set[str]().union(*map(secrets_of, configs.values())), key=len, reverse=True)
    names = {str(call.get("name") or "").strip() for call in calls}
    # Names that contain a number are masked before numbers, or a part of the name would stay. Other names are masked
    # afterwards: a caller may be called "sip" or "From", words by which addresses and names are found.
    numbered, nameless = _nameless(name for name in names if _private(name) != name), _nameless(names)

    def private(text: str) -> str:
        return _private(_without(text, secrets))

    def impersonal(text: str) -> str:
        return redact(nameless(_private(numbered(_without(text, secrets)))))

    files = {
        "versions.json": _json(versions()),
        "trunks.json": _json(
            [changed(trunk._asdict() if hasattr(trunk, "_asdict") else vars(trunk), private) for trunk in trunks]
        ),
        "log.txt": "\n".join(_log_line(line, impersonal) for line in _end(log).split("\n")),
        "metrics.txt": metrics,
    }
    for name, config in configs.items():
        files[f"config/{name}.json"] = _json(changed(_impersonal(masked_table(config, config.written)), private))
    for number, call in enumerate(calls):
        files[f"calls/{number:02}.json"] = _json(changed(_reduced(call), impersonal))
        files[f"calls/{number:02}.sip.txt"] = impersonal(_ladder(call))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(re.sub(r"[^\w./-]", "_", name), _without(text, secrets))
    return made.getvalue()


def versions() -> dict[str, Any]:
    """The versions of sipgw, Python, the system and the packages in use."""
    return {
        "sipgw": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {one.metadata["Name"]: one.version for one in sorted(distributions(), key=lambda one: one.name)},
    }


def _reduced(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call without its words and its participants."""
    kept = {name: value for name, value in call.items() if name not in ("sip", "name", "media", "call")}
    kept |= {name: [_silent(turn) for turn in call.get(name, ())] for name in ("turns", "going")}
    kept["events"] = [event for event in call.get("events", ()) if event.get("kind") != "tool"]
    kept["media"] = {name: value for name, value in call.get("media", {}).items() if isinstance(value, int | float)}
    if refused := refused_sources(call.get("media", {})):
        kept["media"]["refused_sources"] = refused
    messages = call.get("sip", {}).get("messages", ())
    ending = call.get("ending")
    explained = [explain(ending, messages, call.get("media", {}))] if ending or "began" not in call else []
    return kept | {"explained": [one._asdict() for one in [*explained, *findings(call)]]}


def _silent(turn: Mapping[str, Any]) -> dict[str, Any]:
    lengths = {f"{name}_length": len(turn.get(name) or ()) for name in _SPOKEN}
    return {name: value for name, value in turn.items() if name not in _SPOKEN} | lengths


def _ladder(call: Mapping[str, Any]) -> str:
    lines = []
    for message in call.get("sip", {}).get("messages", ()):
        way = "->" if message.get("out") else "<-"
        lines.append(f"{message.get('t')} {way} {message.get('transport')} {message.get('peer')}")
        lines.append(redacted(str(message.get("text", "")).encode("utf-8", "replace")).decode("utf-8", "replace"))
    return "\n".join(lines)


def _impersonal(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without its transfer targets."""
    people = [person | {"name": MASK, "about": MASK} for person in config.get("people", ())]
    return config | ({"people": people} if people else {})


def _private(text: str) -> str:
    """`text` without names and telephone numbers."""
    text = _NAME.sub(rf"\1{MASK}", text)
    text = _TOLD.sub(rf"\1{MASK}", text)
    text = _USER.sub(lambda found: found[1] + _user(found[2]), text)
    text = _TEL.sub(lambda found: found[1] + _ending(found[2]), text)
    return _NUMBER.sub(_number, text)


def _nameless(names: Iterable[str]) -> Callable[[str], str]:
    """The function that masks whole words of `names`."""
    told = sorted((name for name in names if sum(map(str.isalpha, name)) >= SHORTEST), key=len, reverse=True)
    if not told:
        return lambda text: text
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, told))})(?!\w)")
    return lambda text: pattern.sub(MASK, text)


def _user(user: str) -> str:
    return MASK if any(one.isalpha() for one in user) else _ending(user)


def _number(found: re.Match[str]) -> str:
    digits = sum(one.isdigit() for one in found[0])
    return found[0] if digits < FEWEST or _DATE.fullmatch(found[0]) else _ending(found[0])


def _end(log: str) -> str:
    """The last whole lines of `log`, up to `LOG_BYTES`."""
    kept = log[-LOG_BYTES:]
    return kept if len(kept) == len(log) else kept.partition("\n")[2] or kept


def _log_line(line: str, impersonal: Callable[[str], str]) -> str:
    """A line of the log, text or JSON, without participants of calls."""

    def plain(text: str) -> str:
        return impersonal(_DICT_FIELD.sub(rf'\1"{MASK}"', _FIELD.sub(_masked_field, text)))

    head, brace, rest = line.partition("{")  # a log collector may write a prefix
    try:
        told = json.loads(brace + rest)
    except (ValueError, RecursionError):
        return plain(line)
    return plain(head) + json.dumps(_nobody(told, plain), ensure_ascii=False)


def _nobody(value: Any, plain: Callable[[str], str], *, who: bool = False) -> Any:
    """The content of a JSON line without participants of calls; `who`: whether `value` identifies a participant."""
    if isinstance(value, dict):
        return {_private(name): _nobody(inner, plain, who=who or name.lower() in _WHO) for name, inner in value.items()}
    if isinstance(value, list):
        return [_nobody(inner, plain, who=who) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    shown = _ending(text) if who else plain(text)
    return value if shown == text else shown


def _masked_field(found: re.Match[str]) -> str:
    return found[1] + _ending(found[0])


def _ending(number: str) -> str:
    """The last three digits of a longer number, to distinguish participants."""
    digits = [one for one in number if one.isdigit()]
    return MASK + "".join(digits[-3:]) if len(digits) > 3 else number if digits and number.isdigit() else MASK


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        for written in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
            text = text.replace(written, MASK)
    return text


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)
