"""No image can be built everywhere: what the files in docker/ name must at least exist."""

import re
from pathlib import Path

from typer.testing import CliRunner

from sipgw.cli import app

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


def test_every_copied_path_exists_and_is_not_ignored() -> None:
    wanted = [
        word for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    ]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    assert wanted
    for path in wanted:
        assert (ROOT / path).exists(), path
        assert path in allowed, f"{path} is kept out by .dockerignore"


def test_the_command_exists() -> None:
    (command,) = re.findall(r'^CMD \["(\w+)"\]', DOCKERFILE, re.MULTILINE)
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_compose_names_the_dockerfile() -> None:
    compose = (ROOT / "docker" / "compose.yaml").read_text()
    (context,) = re.findall(r"context: (\S+)", compose)
    (dockerfile,) = re.findall(r"dockerfile: (\S+)", compose)
    assert (ROOT / "docker" / context / dockerfile).resolve() == ROOT / "docker" / "Dockerfile"
