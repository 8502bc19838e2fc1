#!/usr/bin/env python3
"""Prints the section of a version out of CHANGELOG.md: the notes of its release.

.ci/changelog.py 1.2.0 > notes.md

GitHub shows them on a page of its own, so links into the repository lead to the files of the release.
"""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"
FILES = "https://github.com/sipgw/sipgw/blob"


def section(text: str, version: str) -> str:
    """What stands below the heading ``## [version]``. Ends the script if there is none, or if it is empty."""
    _, *parts = re.split(r"^## \[([^\]]+)\].*$", text, flags=re.MULTILINE)
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    if version not in found:
        raise SystemExit(f"CHANGELOG.md has no section [{version}]; there are: {', '.join(found) or 'none'}")
    notes = re.sub(r"^\[[^\]]+\]: .*$", "", found[version], flags=re.MULTILINE).strip()
    if not re.search(r"^- ", notes, re.MULTILINE):
        raise SystemExit(f"the section [{version}] of CHANGELOG.md lists nothing")
    return re.sub(r"(\]\()(?!https?:|#)", rf"\g<1>{FILES}/v{version}/", notes)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    print(section(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1]))
