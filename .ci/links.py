#!/usr/bin/env python3
"""Visits every link of the Markdown pages that leads out of the repository, and fails if one leads nowhere.

    .ci/links.py [FILE ...]

Without files it reads all Markdown files that git has. It needs nothing but Python. Addresses in code are examples, so
they are not visited. A page that wants a sign-in (401, 403, 429) is named and fails nothing: servers answer so to
programs, and a person sees the page.
"""

import argparse
import re
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[1]
CODE = re.compile(r"^ *(```+)[^\n]*\n.*?^ *\1 *$|`[^`\n]+`|<!--.*?-->", re.MULTILINE | re.DOTALL)
ADDRESS = r"https?://[^\s()<>\"]+(?:\([^\s()]*\)[^\s()<>\"]*)*"
LINK = re.compile(rf"(?:\]\(<?|<|=\"|^\[[^\]]+\]: *)({ADDRESS})", re.MULTILINE)
BROWSER = {"User-Agent": "Mozilla/5.0 (compatible; sipgw-links)", "Accept": "text/html,*/*"}
ASKS = {401, 403, 429}
"""Statuses of a server that is there and does not serve programs."""


def links(page: str) -> list[str]:
    """The addresses outside of the repository to which a page in Markdown leads, each once, without their fragments."""
    found = (one.partition("#")[0] for one in LINK.findall(CODE.sub("", page)))
    return list(dict.fromkeys(found))


def visit(address: str, patience: float = 30, tries: int = 3, pause: float = 10) -> tuple[bool, str]:
    """Whether the address leads somewhere, and what was seen there.

    A server that fails or is silent for `patience` seconds is tried again after `pause` seconds, `tries` times in all.
    """
    told = ""
    for left in reversed(range(tries)):
        try:
            with urlopen(Request(address, headers=BROWSER), timeout=patience) as answered:  # noqa: S310 - of LINK
                return True, "" if answered.url == address else f"leads to {answered.url}"
        except HTTPError as refused:
            told = f"{refused.code} {refused.reason}".splitlines()[0]
            if refused.code in ASKS:
                return True, f"{told}: a person has to look"
            if refused.code < 500:
                break
        except (OSError, HTTPException, ValueError) as lost:
            told = str(lost) or type(lost).__name__
        time.sleep(pause if left else 0)
    return False, told


def check(pages: Iterable[Path], **how: float) -> int:
    """Visit the links of these pages, eight at a time, and print what was seen. The number of dead ones."""
    where: dict[str, list[str]] = {}
    for page in pages:
        for address in links(page.read_text()):
            where.setdefault(address, []).append(str(page))
    with ThreadPoolExecutor(8) as several:
        seen = dict(zip(where, several.map(lambda one: visit(one, **how), where), strict=True))  # type: ignore[arg-type]
    for address, (leads, told) in sorted(seen.items()):
        if told:
            print(f"{'seen' if leads else 'DEAD'}  {address}  {told}  ({', '.join(where[address])})")
    dead = sum(1 for leads, _ in seen.values() if not leads)
    print(f"{len(seen)} links, {dead} dead")
    return dead


def main() -> None:
    """The command."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("file", type=Path, nargs="*")
    given: list[Path] = asked.parse_args().file
    if not given:
        listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
        given = [ROOT / one for one in listed.stdout.splitlines()]
    raise SystemExit(1 if check(given) else 0)


if __name__ == "__main__":
    main()
