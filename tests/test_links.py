"""The weekly visit of the links that lead out of the repository: `.ci/links.py`, at servers of this machine."""

import contextlib
import runpy
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import HANG, ran

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / ".ci" / "links.py"
OURS = runpy.run_path(str(SCRIPT))
PAGE = """# A page
[one](http://a.example/x_(y) "title"), <https://b.example/>, [this one](other.md), ![p](https://c.example/p.png)
[again](http://a.example/x_#part) and `https://code.example`, plain https://plain.example.
<a href="https://d.example/?a=1">d</a> <!-- <https://hidden.example> -->

[ref]: https://e.example

```sh
curl <https://fence.example>
```
"""


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")  # a proxy does not reach servers of this machine


class Answers(BaseHTTPRequestHandler):
    """What a path asks for: a status, a silence, or an error only the first time."""

    asked: list[str]
    ended: threading.Event

    def do_GET(self) -> None:
        first = self.path not in self.asked
        self.asked.append(self.path)
        kind, _, then = self.path.strip("/").partition("/")
        if kind == "silent":
            self.ended.wait(HANG)
            return
        status = {"loop": 302, "later": 503 if first else 200}.get(kind)
        self.send_response(status or int(kind))
        if then or kind == "loop":
            self.send_header("Location", f"/{then or kind}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the paths that it was asked for."""
    here: Any = type("Here", (Answers,), {"asked": [], "ended": threading.Event()})
    with ThreadingHTTPServer(("127.0.0.1", 0), here) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", here.asked
        finally:
            here.ended.set()
            server.shutdown()


def test_links_are_those_that_a_reader_can_follow() -> None:
    assert OURS["links"](PAGE) == [
        "http://a.example/x_(y)", "https://b.example/", "https://c.example/p.png", "http://a.example/x_",
        "https://d.example/?a=1", "https://e.example",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "leads", "told", "asked"),
    [
        ("/200", True, "", 1),
        ("/301/200", True, "leads to ", 2),
        ("/302/404", False, "404 Not Found", 2),
        ("/404", False, "404 Not Found", 1),
        ("/410", False, "410 Gone", 1),
        ("/403", True, "403 Forbidden: a person has to look", 1),
        ("/429", True, "429 Too Many Requests: a person has to look", 1),
        ("/later", True, "", 2),
        ("/500", False, "500 Internal Server Error", 3),
        ("/302/loop", False, "302 ", 5),
    ],
)
def test_what_a_server_answers_decides(path: str, leads: bool, told: str, asked: int) -> None:
    with serving() as (address, paths):
        seen = OURS["visit"](address + path, patience=HANG, pause=0)
    assert seen[0] is leads and seen[1].startswith(told) and len(paths) == asked, (seen, paths)


def test_a_server_that_is_silent_or_away_is_dead() -> None:
    with serving() as (address, _):
        assert OURS["visit"](f"{address}/silent", patience=0.05, tries=2, pause=0) == (False, "timed out")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        leads, told = OURS["visit"](f"http://127.0.0.1:{nobody.getsockname()[1]}/", patience=HANG, tries=1)
    assert not leads and "refused" in told
    leads, told = OURS["visit"]("http://no-such-host.invalid/", patience=HANG, tries=1)
    assert not leads and told


def test_the_command_names_each_dead_link_and_its_pages(tmp_path: Path) -> None:
    pages = [tmp_path / "a.md", tmp_path / "b.md"]
    with serving() as (address, paths):
        for page in pages:
            page.write_text(f"[good]({address}/200) [moved]({address}/301/200) [dead]({address}/404#part)")
        done = ran([str(SCRIPT), *map(str, pages)], tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [
        f"seen  {address}/301/200  leads to {address}/200  ({pages[0]}, {pages[1]})",
        f"DEAD  {address}/404  404 Not Found  ({pages[0]}, {pages[1]})",
        "3 links, 1 dead",
    ]
    assert sorted(paths) == ["/200", "/200", "/301/200", "/404"], "each once"
    pages[0].write_text("no link")
    assert ran([str(SCRIPT), str(pages[0])], tmp_path).returncode == 0


def test_the_pages_of_this_repository_have_links() -> None:
    """Those that a person follows, and none of the examples."""
    found = {one for page in (ROOT / "docs").rglob("*.md") for one in OURS["links"](page.read_text())}
    assert "https://console.deepgram.com" in found and len(found) > 8
    assert not [one for one in found if "example." in one or "127.0.0.1" in one]
