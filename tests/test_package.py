"""The wheel and the source archive of a release: what is in them, which version they have, and that they run."""

import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from uv import find_uv_bin

from tests.waiting import HANG, ran

ROOT = Path(__file__).parent.parent
TOPS = ("sipgw", "media", "agent")
BUILD = (sys.executable, "-m", "build", "--no-isolation")
UNREACHABLE = re.compile(
    r"error sending request|dns error|Failed to fetch|Network connectivity is disabled|timed out|trying to connect"
)
VERSION = "1.2.3"
WORKFLOW = (ROOT / ".github" / "workflows" / "release.yml").read_text()
HANGS = 8 * HANG
"""The same for five installations and a conversation, which takes its own time."""
pytestmark = pytest.mark.slow


def git(folder: Path, *words: str) -> str:
    """What git prints; the commits are nobody's."""
    person = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "core.hooksPath=/dev/null",
              "-c", "safe.directory=*")  # fmt: skip
    told = ran(["git", *person, *words], folder)
    assert told.returncode == 0, told.stderr
    return told.stdout


def built(folder: Path, out: Path, *options: str) -> None:
    """Build a source archive and a wheel, or what the options say."""
    made = ran([*BUILD, "--outdir", str(out), *options, str(folder)], folder)
    assert made.returncode == 0, made.stdout + made.stderr


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of this checkout as they are, in a repository of their own with the tag of a release."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout of git")
    folder = tmp_path_factory.mktemp("release")
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():  # git has others that somebody has deleted, and folders of other checkouts
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all of it")
    git(folder, "tag", f"v{VERSION}")
    return folder


@pytest.fixture(scope="module")
def dist(release: Path) -> Path:
    """What `make wheel` puts into dist/, with the tools of this environment: the wheel is made from the archive."""
    tools = Path(sys.prefix)
    (release / "dist").mkdir()
    (release / "dist" / "sipgw-0.9.0.tar.gz").write_text("of an earlier release")
    made = ran(["make", "wheel", f"VENV={tools}", f"--old-file={tools / '.tested'}"], release)
    assert made.returncode == 0, made.stdout + made.stderr
    return release / "dist"


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel, without compiled ones and the list of all with their sums: both differ by the folder."""
    with zipfile.ZipFile(wheel) as found:
        return {one: found.read(one) for one in found.namelist() if not one.endswith((".so", "/RECORD"))}


def test_the_tag_of_a_release_is_its_version(dist: Path) -> None:
    assert (dist / f"sipgw-{VERSION}.tar.gz").exists()
    (wheel,) = dist.glob("*.whl")
    assert wheel.name.startswith(f"sipgw-{VERSION}-")
    (metadata,) = (text for name, text in contents(wheel).items() if name.endswith(".dist-info/METADATA"))
    assert f"\nVersion: {VERSION}\n" in metadata.decode()


def test_the_page_of_the_index_has_its_picture_and_no_dead_links(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    (text,) = (one.decode() for name, one in contents(wheel).items() if name.endswith(".dist-info/METADATA"))
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)#]+)", text)
    assert len(links) > 30 and [link for _, link in links if not link.startswith("https://")] == []
    ours = "https://github.com/sipgw/sipgw/blob/main/"
    for picture, link in links:
        if picture:
            link = link.replace("https://raw.githubusercontent.com/sipgw/sipgw/main/", ours)
            assert link.startswith(ours) and link.endswith(".png")
        if link.startswith(ours):
            assert (ROOT / link.removeprefix(ours)).exists(), link
    assert set(re.findall(r"^Project-URL: (\w+),", text, re.MULTILINE)) == {
        "Documentation", "Source", "Issues", "Changelog",
    }  # fmt: skip


def test_a_checkout_behind_a_tag_without_tags_or_without_git_has_a_version(release: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "--quiet", str(release), str(copy))
    (copy / "README.md").write_text("changed")
    git(copy, "commit", "--quiet", "--all", "--message", "more")

    def version() -> str:
        printed = ran([sys.executable, "-m", "setuptools_scm"], copy)
        assert printed.returncode == 0, printed.stderr
        return printed.stdout.strip()

    assert version().startswith("1.2.4.dev1+g")
    git(copy, "tag", "--delete", f"v{VERSION}")
    assert version().startswith("0.0.1.dev2+g")
    git(copy, "checkout", "--quiet", "--detach")
    (copy / ".git").rename(tmp_path / "away")
    assert version() == "0.0.0"


def test_the_wheel_has_every_file_of_the_packages_and_no_other(release: Path, dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    inside = {name for name in contents(wheel) if ".dist-info/" not in name}
    tracked = {one for one in git(release, "ls-files", *TOPS).splitlines() if not one.endswith((".c", ".h", ".pyx"))}
    assert inside == tracked
    for name in ("sipgw/py.typed", "sipgw/recipes/telnyx.toml", "sipgw/web/templates/base.html"):
        assert name in inside


def test_the_source_archive_builds_the_same_wheel_without_git(release: Path, dist: Path, tmp_path: Path) -> None:
    """It holds the tests and the pages, too, so that a distribution can run and read them."""
    built(release, tmp_path / "direct", "--wheel")
    (direct,), (wheel,) = (tmp_path / "direct").glob("*.whl"), dist.glob("*.whl")
    assert direct.name == wheel.name and contents(direct) == contents(wheel)
    with tarfile.open(dist / f"sipgw-{VERSION}.tar.gz") as archive:
        names = {one.removeprefix(f"sipgw-{VERSION}/") for one in archive.getnames()}
    assert {"tests/test_package.py", "docs/tutorial.md", "requirements.lock", "Makefile"} <= names


def test_one_wheel_of_a_machine_is_for_all_pythons(dist: Path) -> None:
    """Its extension uses the stable ABI."""
    (wheel,) = dist.glob("*.whl")
    assert wheel.name == f"sipgw-{VERSION}-cp311-abi3-linux_{platform.machine()}.whl"
    with zipfile.ZipFile(wheel) as found:
        assert "media/fast/_fast.abi3.so" in found.namelist()
    cloud = (ROOT / "docker" / "cloud-init" / "user-data.yaml").read_text()
    assert f'/{wheel.name.replace(platform.machine(), "x86_64")}"' in cloud, "the one that the recipe installs"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_cibuildwheel_builds_that_wheel_and_no_other(machine: str) -> None:
    """None for a Python without the GIL, which has no stable ABI; the version is the one of the workflow."""
    (version,) = re.findall(r"pypa/cibuildwheel@[0-9a-f]{40}  # v([\d.]+)", WORKFLOW)
    command = [
        find_uv_bin(), "tool", "run", "--system-certs", "--from", f"cibuildwheel=={version}", "cibuildwheel",
        "--print-build-identifiers", "--platform", "linux", "--archs", machine, ROOT,
    ]  # fmt: skip
    printed = ran(command, ROOT)  # type: ignore[arg-type]
    if printed.returncode and UNREACHABLE.search(printed.stderr):
        pytest.skip("the index of packages cannot be reached, and uv has not got cibuildwheel")
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.split() == [f"cp311-manylinux_{machine}"]


def test_of_a_release_the_archive_and_the_wheel_of_this_machine_are_tried(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / ".ci" / "try_wheel.py"))
    here, other = sorted(("x86_64", "aarch64"), key=lambda machine: machine != platform.machine())
    for machine in (other, here):
        (tmp_path / f"sipgw-1.2.3-cp311-abi3-manylinux2014_{machine}.manylinux_2_17_{machine}.whl").touch()
    (tmp_path / "sipgw-1.2.3.tar.gz").touch()
    wheel, archive = script["fitting"](tmp_path)
    assert wheel.name.endswith(f"_{here}.whl") and archive.name == "sipgw-1.2.3.tar.gz"
    assert script["fitting"](wheel) == [wheel]
    wheel.unlink()
    with pytest.raises(SystemExit, match=f"has no wheel for {here}"):
        script["fitting"](tmp_path)


def test_make_wheel_leaves_one_archive_and_one_wheel(dist: Path) -> None:
    assert sorted(file.suffix for file in dist.iterdir()) == [".gz", ".whl"]


def test_the_steps_of_the_release_workflow_run_in_their_order(release: Path, dist: Path, tmp_path: Path) -> None:
    """Each line of the shell from the built files to the sources for cibuildwheel, without GitHub's actions."""
    shutil.copytree(dist, tmp_path / "dist")
    shutil.copytree(release / ".ci", tmp_path / ".ci")
    text = (release / "CHANGELOG.md").read_text()
    (tmp_path / "CHANGELOG.md").write_text(text.replace("[Unreleased]", f"[{VERSION}]\n- It flies.", 1))
    (tmp_path / "build").mkdir()
    jobs = yaml.safe_load(WORKFLOW)["jobs"]
    steps = [step["run"] for job in ("source", "wheels") for step in jobs[job]["steps"] if "run" in step]
    told = os.environ | {"GITHUB_REF_NAME": f"v{VERSION}", "GITHUB_OUTPUT": str(tmp_path / "output")}
    for step in (one for one in steps if not one.startswith("make ")):
        done = ran(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step], tmp_path, told)
        assert done.returncode == 0, f"{step}: {done.stderr}"
    assert len(steps) == 6 and (tmp_path / "build" / "notes.md").stat().st_size > 0
    assert (tmp_path / "output").read_text() == "found=true\n", "the wheels are made of the archive, on each machine"
    assert [file.name for file in (tmp_path / "dist").iterdir()] == [f"sipgw-{VERSION}.tar.gz"]
    assert {"pyproject.toml", "setup.py", "PKG-INFO", "media"} <= {file.name for file in (tmp_path / "src").iterdir()}
    version = ran([sys.executable, "-m", "setuptools_scm"], tmp_path / "src")
    assert version.stdout.strip() == VERSION, "without git, from the archive"


def tool(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the index by uvx, as a person without the checkout does. Skips without an index."""
    kept = {
        name: value for name, value in os.environ.items() if name.startswith(("PATH", "HOME", "UV_", "PIP_", "SSL_"))
    }
    kept.pop("UV_PYTHON", None)
    command = [find_uv_bin(), "tool", "run", "--system-certs", "--python", sys.executable, *words]
    done = ran(command, folder, kept | variables)
    if done.returncode and UNREACHABLE.search(done.stdout + done.stderr):
        pytest.skip("the index of packages cannot be reached, and uv has not got them all")
    return done


def test_uvx_runs_the_wheel_without_installing_it(dist: Path, tmp_path: Path) -> None:
    """The base install alone has no models for the demo, and says in one line how to get them."""
    (wheel,) = dist.glob("*.whl")
    assert tool(tmp_path, "--from", str(wheel), "sipgw", "--version").stdout.strip() == VERSION
    demo = tool(tmp_path, "--from", str(wheel), "sipgw", "demo")
    assert demo.returncode == 1
    assert re.search(r"^error: .* or run uvx --from 'sipgw\[local\]' sipgw demo$", demo.stderr, re.MULTILINE)


def test_pipx_installs_the_wheel(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    folders = {"PIPX_HOME": tmp_path / "home", "PIPX_BIN_DIR": tmp_path / "bin", "PIPX_MAN_DIR": tmp_path / "man"}
    words = ("--from", "pipx[uv]", "pipx", "install", "--python", sys.executable, str(wheel))
    done = tool(tmp_path, *words, **{name: str(folder) for name, folder in folders.items()})
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran([tmp_path / "bin" / "sipgw", "--version"], tmp_path).stdout.strip() == VERSION


@pytest.mark.parametrize(("kind", "suffix"), [("wheel", "whl"), ("source archive", "tar.gz")])
def test_each_file_holds_the_demo_s_conversation_in_an_empty_environment(kind: str, suffix: str, dist: Path) -> None:
    """Outside the checkout; `.ci/try_wheel.py` is what a release runs, too."""
    (file,) = dist.glob(f"*.{suffix}")
    command = [sys.executable, str(ROOT / ".ci" / "try_wheel.py"), str(file)]
    held = subprocess.run(command, cwd=dist, capture_output=True, text=True, timeout=HANGS, check=False)
    if held.returncode and UNREACHABLE.search(held.stdout):
        pytest.skip("the index of packages cannot be reached, and uv has not got them all")
    assert held.returncode == 0, held.stdout + held.stderr
    assert f"sipgw {VERSION}: the {kind} holds the demo's conversation" in held.stdout
    assert held.stdout.count(f"sipgw {VERSION}: uvx holds the demo's conversation") == (kind == "wheel")
    assert held.stdout.count("sipgw serves with keys alone: /healthz answers 200") == 1, "the base install"
    assert held.stdout.count("the extension loads") >= 1
    assert re.search(r"^sipgw +\d+ MB$", held.stdout, re.MULTILINE)
    assert re.search(r"^sipgw\[local\] +\+ *\d+ MB$", held.stdout, re.MULTILINE)


NOTES = """# Changelog

## [Unreleased]

- not yet

## [1.2.0] - 2026-12-01

### Added
- It flies ([how](docs/a.md#b), [why](https://a.b)).

## [1.1.0] - 2026-11-01

[1.1.0]: https://example.com
"""


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (
            "1.2.0",
            "### Added\n- It flies ([how](https://github.com/sipgw/sipgw/blob/v1.2.0/docs/a.md#b), [why](https://a.b)).",
        ),
        ("1.1.0", "the section [1.1.0] of CHANGELOG.md lists nothing"),
        ("1.3.0", "CHANGELOG.md has no section [1.3.0]; there are: Unreleased, 1.2.0, 1.1.0"),
    ],
)
def test_the_notes_of_a_release_are_its_section_of_the_changelog(tmp_path: Path, version: str, says: str) -> None:
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "changelog.py").write_bytes((ROOT / ".ci" / "changelog.py").read_bytes())
    (tmp_path / "CHANGELOG.md").write_text(NOTES)
    printed = ran([sys.executable, ".ci/changelog.py", version], tmp_path)
    assert (printed.stdout + printed.stderr).strip() == says
    assert bool(printed.returncode) is (version != "1.2.0")


def test_the_next_release_has_notes_that_github_takes() -> None:
    """As CONTRIBUTING.md says: the unreleased section is renamed. If it is empty, the next one counts."""
    section = runpy.run_path(str(ROOT / ".ci" / "changelog.py"))["section"]
    text = (ROOT / "CHANGELOG.md").read_text()
    named = re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)
    assert named[0] == "Unreleased"
    begun = re.search(r"^- ", text.partition("## [Unreleased]")[2].partition("\n## [")[0], re.MULTILINE)
    notes = section(text.replace("[Unreleased]", "[9.9.9]", 1), "9.9.9") if begun else section(text, named[1])
    assert 500 < len(notes) < 125_000, "GitHub refuses longer ones"
    for path in re.findall(r"blob/v[\d.]+/([^)#]+)", notes):
        assert (ROOT / path).exists(), path
