"""The tables of `docs/providers/README.md`, drawn from the registry; ``python docs/_site/provider_tables.py`` does it.

They stand between two comments of the page, which is so whole on GitHub, too. `tests/docs/test_provider_docs.py`
holds it to what is drawn here.
"""

import re
from pathlib import Path

from agent.call_languages import NAMES
from agent.providers.provider import Provider
from agent.records import Part
from sipgw.agents.provider_choice import knowing
from sipgw.config.registry import every

PAGE = Path(__file__).parents[1] / "providers" / "README.md"
PARTS: dict[Part, str] = {"stt": "STT", "llm": "LLM", "tts": "TTS", "realtime": "speech to speech"}
AUTO: dict[Part, str] = {"stt": "STT", "llm": "the model", "tts": "the voice"}
"""The parts for which ``auto`` takes one."""
NO_PAGE = {"openai_backup": "openai"}
"""Providers that stand on another one's page."""


def records(part: Part) -> list[Provider]:
    """Those of a part, first those that ``auto`` takes, in its order, last the embedded one."""
    return sorted(
        (one for one in every() if one.part == part), key=lambda one: (bool(one.embedded), not one.auto, one.auto)
    )


def providers() -> str:
    """All of them: how each is named, what key it needs, and what it tells."""
    columns = ("part", "provider", "default model", "key", "name in `[agent]`", "options", "times of words")
    rows = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for part, words in PARTS.items():
        for one in records(part):
            options = one.options()
            keys = ", ".join(f"`{name}`" for name, key in one.variables.items() if key in one.required)
            title = "embedded model" if one.embedded else one.title
            cells = (
                words,
                f"[{title}]({NO_PAGE.get(one.name, one.name)}.md)",
                f"`{options.model}`" if getattr(options, "model", "") else "",
                keys or ("none" if one.embedded else f"`api_key` of `[{one.section}]`"),
                f'`{part} = "{one.name}"`',
                f"`[{one.section}]`",
                "yes" if one.word_times(options) else "",
            )
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def auto() -> str:
    """What is used when none is named."""
    order = [
        f"{', '.join(one.title for one in records(part) if one.auto and not one.embedded)} for {words}"
        for part, words in AUTO.items()
    ]
    return (
        "If `[agent]` names no provider (`auto`), the gateway uses the first provider that has a key. The order is "
        f"{'; '.join(order)}.\nIf none has a key, it uses the embedded models. All others are used only if they are "
        "named."
    )


def models() -> str:
    """Until when each default model is there, and others of which an end is known."""
    rows = ["| provider | default | until | others that end or have ended |", "|---|---|---|---|"]
    for part, words in PARTS.items():
        for one in records(part):
            known = [model for model in one.models if model.key == "model"]
            if not known or one.name in NO_PAGE:
                continue
            usual = one.options().model
            until = next((model.ends for model in known if usual in model.names), None)
            ending = sorted((model for model in known if model.ends), key=lambda model: model.ends or 0, reverse=True)
            others = [
                (model.ends, [f"`{name}`" for name in model.names if name != usual and "*" not in name])
                for model in ending
            ]
            told = "; ".join(f"{', '.join(names)} {ends}" for ends, names in others if names)
            rows.append(f"| {words} {one.title} | `{usual}` | {until or 'no date announced'} | {told} |")
    return "\n".join(rows)


def languages() -> str:
    """Which providers know each language, and with which voice."""
    rows = ["| language | STT (`stt`) | voice (`tts`) |", "|---|---|---|"]
    rows += [f"| {NAMES[code]} `{code}` | {_knowing('stt', code)} | {_knowing('tts', code)} |" for code in NAMES]
    return "\n".join(rows)


def _knowing(part: Part, code: str) -> str:
    return ", ".join(f"`{name}`" + (f" ({voice})" if voice else "") for name, voice in knowing(part, code).items())


TABLES = {one.__name__: one for one in (providers, auto, models, languages)}


def drawn(page: str) -> str:
    """`page` with what the registry says now between its comments."""
    for name, draw in TABLES.items():
        begin, end = f"<!-- drawn: {name} -->\n\n", f"\n\n<!-- /drawn: {name} -->"
        found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        page, count = found.subn((begin + draw() + end).replace("\\", r"\\"), page)
        if count != 1:
            raise ValueError(f"{PAGE.name} has {count} places for {name}")
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
