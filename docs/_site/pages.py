"""What MkDocs asks while it builds the site (``hooks`` of ``mkdocs.yml``): pages drawn from the code, and links.

The same Markdown is read on GitHub and on the site. A link that leaves `docs/` leads to the page made from that file,
or to the file on GitHub.
"""

import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import machines  # noqa: E402
import reference  # noqa: E402

# Files outside `docs/` that are pages of the site.
BESIDE = {
    "index.md": "README.md",
    "sip.md": "sipgw/sip/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
DRAWN = {
    "reference/configuration.md": reference.configuration,
    "reference/commands.md": reference.commands,
    "reference/code.md": reference.code,
    "reference/machines.md": machines.machines,
    "reference/prices.json": reference.prices,
    "reference/openapi.json": reference.openapi,
}
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are no files of `docs/`."""
    for name, source in BESIDE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    for name, draw in DRAWN.items():
        files.append(File.generated(config, name, content=draw()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to where they lead on the site, and put recipes into the guides that name one."""
    del files
    here = page.file.src_uri
    origin = Path(BESIDE.get(here, f"docs/{here}")).parent
    with_recipes = re.sub(r"<!-- recipe: ([\w-]+) -->", lambda match: _recipe(match[1]), markdown)
    return _LINK.sub(
        lambda match: f"{match[1]}{_led(match[2], origin, here, str(config.repo_url))}{match[3]}", with_recipes
    )


def _recipe(name: str) -> str:
    text = (ROOT / "sipgw" / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    return f'```toml title="sipgw.toml, as `sipgw init {name}` writes it"\n{text}```'


def _led(target: str, origin: Path, here: str, repository: str) -> str:
    if urlsplit(target).scheme or target.startswith("#"):
        return target
    path, _, anchor = target.partition("#")
    file = Path(os.path.normpath(origin / path))
    pages = {source: name for name, source in BESIDE.items()}
    if str(file) in pages:
        name = pages[str(file)]
    elif file.parts[0] == "docs":
        name = str(file.relative_to("docs"))
    else:
        kind = "tree" if (ROOT / file).is_dir() else "blob"
        return f"{repository}/{kind}/main/{file}"
    return os.path.relpath(name, Path(here).parent) + (f"#{anchor}" if anchor else "")
