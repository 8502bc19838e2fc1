"""Writes the output of ``sipgw init``: the lines of the agent and of a recipe into the configuration, secrets into
``.env``."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sipgw.tools.whole_file import write_whole

RECIPES = tuple(sorted(entry.name.removesuffix(".toml") for entry in (files("sipgw") / "recipes").iterdir()))
HERE = "here"
"""Word in the place of a recipe: no carrier, PBX or account. This machine and private networks can call."""
_PLAIN = re.compile(r"[\w.+/=:@-]+", re.ASCII)
"""Values that Docker, systemd and a shell read in the same way without quotes."""


@dataclass(frozen=True)
class Answers:
    """The values to write. Empty values are left out."""

    recipe: str = HERE
    business: str = ""
    stt: str = ""
    llm: str = ""
    tts: str = ""
    given: tuple[str, ...] = ()
    """Names of `optional` that have a value. The configuration gets the lines with these names."""

    @property
    def text(self) -> str:
        """The text of the configuration file."""
        agent = {name: getattr(self, name) for name in ("business", "stt", "llm", "tts") if getattr(self, name)}
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in agent.items()]
        parts = ["\n".join(["[agent]", *lines, ""])] if lines else []
        if self.recipe == HERE:
            parts[:0] = ["# Loopback and private networks may call. A carrier, PBX or phone: `sipgw init --help`.\n"]
        return "\n".join([*parts, *([self._recipe] if self._recipe else [])])

    @property
    def _recipe(self) -> str:
        if self.recipe == HERE:
            return ""
        text = (files("sipgw") / "recipes" / f"{self.recipe}.toml").read_text(encoding="utf-8")
        for name in self.given:
            text = re.sub(rf'^# (\w+ = "\$\{{{re.escape(name)}\}}")$', r"\1", text, flags=re.MULTILINE)
        return text

    @property
    def steps(self) -> str:
        """The steps at the top of the recipe: the settings at the carrier or PBX. The configuration contains them,
        too."""
        lines = self._recipe.splitlines()
        end = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
        return "\n".join(line.removeprefix("# ").removeprefix("#") for line in lines[:end])

    @property
    def variables(self) -> list[str]:
        """Variables of the environment to which the configuration refers, in its order."""
        lines = [line for line in self._recipe.splitlines() if not line.lstrip().startswith("#")]
        return list(dict.fromkeys(re.findall(r"\$\{(\w+)\}", "\n".join(lines))))

    @property
    def optional(self) -> list[str]:
        """Variables of the environment that stand only in commented lines of the recipe, in its order."""
        return re.findall(r'^# \w+ = "\$\{(\w+)\}"$', self._recipe, re.MULTILINE)

    def without_domain(self, name: str, value: str) -> str:
        """`value` of the variable `name`, without the domain that the recipe adds to it. Portals show both
        together: ``acme`` for ``sip:acme.pstn.twilio.com``.
        """
        after = re.search(rf"\$\{{{re.escape(name)}\}}((?:\.[\w-]+)+)", self._recipe)
        return value.removeprefix("sip:").removesuffix(after[1]) if after else value


def replace_file(file: Path, text: str) -> None:
    """Write the file. An existing file is kept as ``NAME.old``, ``NAME.old.2`` and so on. Raises `OSError`."""
    if file.exists():
        number, kept = 1, Path(f"{file}.old")
        while kept.exists():
            number += 1
            kept = Path(f"{file}.old.{number}")
        shutil.copy2(file, kept)
    write_whole(file, text)


def keep(secrets: Mapping[str, str], file: Path) -> None:
    """Set these names in ``.env``, and leave its other lines. Afterwards only its owner can read it. Raises
    `OSError`."""
    from dotenv import set_key

    if secrets and file.exists():
        file.chmod(0o600)
    for name, value in secrets.items():
        mode = "never" if _PLAIN.fullmatch(value) else "always"
        set_key(file, name, value, quote_mode=mode, follow_symlinks=True)  # makes a file with mode 0600
