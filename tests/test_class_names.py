"""A class name stands for one idea: who greps it finds one class, except for the patterns below."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLASS = re.compile(r"^ *class ([A-Z]\w*)", re.MULTILINE)

MACHINE = {"State", "Event", "Do"}
"""The enums of a state machine, in the file of its table."""
FLOORS = {"Started", "Finished", "Heard", "NoiseFloor", "Packet", "Message", "RuleError"}
"""The same idea on floors that do not know each other: `agent.line` has what `media.process.channel` tells."""
SAME = {
    "fast/fallback.py": "the C extension has classes of the same names",
    "web/models.py": "names in the REST interface",
    "web/campaign_models.py": "names in the REST interface",
    "telemetry/metrics.py": "protocols of what is measured",
}
"""Files whose classes are named after the classes that they stand for."""


def classes() -> dict[str, list[str]]:
    """The public classes, with their files."""
    found = defaultdict(list)
    for path in sorted(path for name in ("sipgw", "media", "agent") for path in (ROOT / name).rglob("*.py")):
        for name in CLASS.findall(path.read_text(encoding="utf-8")):
            found[name].append(path.relative_to(ROOT).as_posix())
    return found


def is_kind(file: str) -> bool:
    """Whether the `Kind` of a file is the type of the field `kind` of a class beside it."""
    nodes = ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    fields = [node for node in nodes if isinstance(node, ast.AnnAssign)]
    return any(ast.unparse(one.target) == "kind" and ast.unparse(one.annotation) in ("Kind", "int") for one in fields)


def test_a_class_name_stands_for_one_idea() -> None:
    twice = {}
    for name, places in classes().items():
        files = [file for file in places if not file.endswith(tuple(SAME))]
        if name == "Kind":
            files = [file for file in files if not is_kind(file)]
        if name in FLOORS:
            floors = {file.partition("/")[0] for file in files}
            assert len(floors) == len(files), files
        elif len(files) > 1 and name not in MACHINE:
            twice[name] = files
    assert twice == {}


def test_a_pattern_is_used() -> None:
    """A pattern that nothing follows any more leaves the lists."""
    found = classes()
    assert {name for name in MACHINE | FLOORS | {"Kind"} if len(found[name]) < 2} == set()
    for file in SAME:
        assert any(len(places) > 1 for places in found.values() if any(one.endswith(file) for one in places)), file
