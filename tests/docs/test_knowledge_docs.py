"""What docs/knowledge.md says is so: its configuration, its limits, its commands."""

import re
from pathlib import Path

from agent.knowledge import LOOK_UP
from sipgw.agents.knowledge import documents, encoders, files, knowledge_base, reader, worker
from sipgw.cli.knowledge import QuestionsError, QuestionsFile, knowledge
from sipgw.config.config import parse
from sipgw.config.files import read_as
from sipgw.config.knowledge import KnowledgeOptions

TEXT = (Path(__file__).parents[2] / "docs" / "knowledge.md").read_text()
PLAIN = " ".join(TEXT.split())
BLOCKS = re.findall(r"^```toml[^\n]*\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_its_configurations_are_valid_and_show_the_defaults() -> None:
    first, service = (parse(block, "docs", {"OPENAI_API_KEY": "sk"}).knowledge for block in BLOCKS[:2])
    assert first == KnowledgeOptions(folder="documents")
    assert service == KnowledgeOptions(folder="documents", embeddings="service")


def test_its_questions_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "questions.toml").write_text(BLOCKS[2])
    asked = read_as(QuestionsFile, tmp_path / "questions.toml", QuestionsError)
    assert asked.recall == QuestionsFile(asked.questions).recall
    assert asked.questions[0].heading == "Opening hours"


def test_its_limits_are_those_of_the_code() -> None:
    for sentence in (
        f"up to {documents.SIZE} characters",
        f"of a folder: {reader.FILES} files and {knowledge_base.CHUNKS:,} passages",
        f"of a file: {files.LARGEST >> 20} MB, {documents.LONGEST:,} characters, {documents.PAGES} pages",
        f"HTML elements {documents.DEEPEST} deep, and {documents.MOST:,} passages",
        f"{reader.SECONDS:g} s and {worker.MEMORY >> 30} GB of memory",
        f"If the look-up takes longer than {knowledge_base.LIMIT:g} s",
        f"does not use it for {encoders.REST:g} s",
    ):
        assert sentence in PLAIN, sentence
    assert f"`{LOOK_UP}`" in TEXT


def test_its_commands_and_kinds_of_files_are_there() -> None:
    named = set(re.findall(r"sipgw knowledge (\w+)", TEXT))
    assert named == {one.name or one.callback.__name__ for one in knowledge.registered_commands}  # type: ignore[union-attr]
    assert all(f".{kind}" in TEXT for kind in documents.READERS)
