"""The support bundle: what somebody needs who is to help, and nothing that is private or secret.

Inside are the configuration, versions, trunks, the log, and of the latest calls how they ended, their SIP ladder,
latency and quality. What was said is left out; passwords and keys are masked wherever they stand, and so are telephone
numbers but for their last three digits, and names.
"""

import io
import json
import platform
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions
from typing import Any

from sipgw import __version__
from sipgw.evidence.explain import explain, findings
from sipgw.evidence.timeline import changed
from sipgw.log import redact
from sipgw.options import secrets_of
from sipgw.sip.trace import redacted

MASK = "***"
CALLS = 50
"""Calls at most, the latest."""
LOG_BYTES = 2 << 20
"""Of the log at most, the end of it."""
_USER = re.compile(r"(?i)\b((?:sips?|tel):)(\+?[0-9][0-9.()*#-]*?)([0-9]{3})(?=[@;>\s,\"']|$)")
_NUMBER = re.compile(r"(?<![\w.+:/-])(\+?[0-9]{4,12})([0-9]{3})(?![\w.-])")
_NAMED = "from|to|f|t|contact|m|referred-by|b|p-asserted-identity|p-preferred-identity|remote-party-id|diversion"
_NAME = re.compile(rf'(?im)^((?:{_NAMED})[ \t]*:[ \t]*)(?:"(?:[^"\\\r\n]|\\.)*"|[^<\r\n"]*)(?=[ \t]*<)')
_SPOKEN = ("caller", "said", "heard", "tools")


def configuration(options: Any) -> dict[str, Any]:
    """Options as a dict, secrets masked: those that their dataclass hides from its repr."""
    return {one.name: _shown(getattr(options, one.name), hidden=not one.repr) for one in fields(options)}


def bundle(
    configs: Mapping[str, Any],
    calls: Iterable[Mapping[str, Any]],
    *,
    trunks: Iterable[Any] = (),
    log: str = "",
    metrics: str = "",
) -> bytes:
    """A zip file. `configs` are those of the gateway and its agents by name, `calls` as `evidence.timeline` makes them.

    `trunks` are `sipgw.gateway.TrunkStatus`, where a gateway runs; `metrics` is what Prometheus would read.
    """
    secrets = sorted(frozenset[str]().union(*map(secrets_of, configs.values())), key=len, reverse=True)
    files = {
        "versions.json": _json(versions()),
        "trunks.json": _json([trunk._asdict() if hasattr(trunk, "_asdict") else vars(trunk) for trunk in trunks]),
        "log.txt": redact(_private(log[-LOG_BYTES:])),
        "metrics.txt": metrics,
    }
    files |= {f"config/{name}.json": _json(configuration(config)) for name, config in configs.items()}
    for number, call in enumerate(list(calls)[:CALLS]):
        files[f"calls/{number:02}.json"] = _json(changed(_reduced(call), lambda text: redact(_private(text))))
        files[f"calls/{number:02}.sip.txt"] = redact(_private(_ladder(call)))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(re.sub(r"[^\w./-]", "_", name), _without(text, secrets))
    return made.getvalue()


def versions() -> dict[str, Any]:
    """Of everything that takes part."""
    return {
        "sipgw": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {one.metadata["Name"]: one.version for one in sorted(distributions(), key=lambda one: one.name)},
    }


def _shown(value: Any, *, hidden: bool = False) -> Any:
    if is_dataclass(value):
        return configuration(value)
    if isinstance(value, tuple | list):
        return [_shown(item, hidden=hidden) for item in value]
    return MASK if hidden and value else value


def _reduced(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call without what was said in it and by whom."""
    kept = {name: value for name, value in call.items() if name not in ("sip", "name", "media", "call")}
    kept["turns"] = [_silent(turn) for turn in call.get("turns", ())]
    kept["events"] = [event for event in call.get("events", ()) if event.get("kind") != "tool"]
    kept["media"] = {name: value for name, value in call.get("media", {}).items() if isinstance(value, int | float)}
    messages = call.get("sip", {}).get("messages", ())
    ending = call.get("ending")
    explained = [explain(ending, messages)] if ending or "began" not in call else []
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


def _private(text: str) -> str:
    """`text` without names and telephone numbers."""
    text = _NAME.sub(rf"\1{MASK}", text)
    text = _USER.sub(rf"\1{MASK}\3", text)
    return _NUMBER.sub(rf"{MASK}\2", text)


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK).replace(json.dumps(secret)[1:-1], MASK)
    return text


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)
