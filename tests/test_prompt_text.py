"""The prompt in an agent's file is read and replaced; nothing else of the file changes."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.config.agent_files import DEFAULT, as_tables, split
from sipgw.config.errors import ConfigError
from sipgw.config.prompt_text import LONGEST, checked, prompt_in, with_prompt

MARKDOWN, TOML = Path("repairs.md"), Path("repairs.toml")
HEADED = '+++\n# ours\nbusiness = "Hill & Sons"\n[openai]\nmodel = "m"\n+++\n\nYou repair.\nBe kind.\n'


def test_markdown_keeps_its_head() -> None:
    assert prompt_in(HEADED, MARKDOWN, "repairs") == "You repair.\nBe kind."
    made = with_prompt(HEADED, MARKDOWN, "repairs", "You mend.")
    assert made == '+++\n# ours\nbusiness = "Hill & Sons"\n[openai]\nmodel = "m"\n+++\nYou mend.\n'
    assert with_prompt("You repair.", MARKDOWN, "repairs", "You mend.") == "You mend.\n"
    assert with_prompt(HEADED.partition("\n\n")[0], MARKDOWN, "repairs", "You mend.") == made, "a file without a prompt"


def test_markdown_whose_head_has_the_prompt_keeps_it_there() -> None:
    text = '+++\nprompt = "You repair."\n+++\n'
    assert with_prompt(text, MARKDOWN, "repairs", "You mend.") == '+++\nprompt = """You mend."""\n+++\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('prompt = "old" # why\nstt = "deepgram"\n', 'prompt = """new""" # why\nstt = "deepgram"\n'),
        (
            "# ours\nprompt = '''\nold\n'''\n[openai]\nmodel = 'm'\n",
            '# ours\nprompt = """new"""\n[openai]\nmodel = \'m\'\n',
        ),
        ('[openai]\nmodel = "m"\n', 'prompt = """new"""\n[openai]\nmodel = "m"\n'),
        ('notice = """\nprompt = "x"\n"""\nprompt = "old"\n', 'notice = """\nprompt = "x"\n"""\nprompt = """new"""\n'),
        ("", 'prompt = """new"""\n'),
    ],
)
def test_toml_keeps_comments_and_all_other_keys(before: str, after: str) -> None:
    assert with_prompt(before, TOML, "repairs", "new") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[agent]\nprompt = "old"\n[web]\nport = 0\n', '[agent]\nprompt = """new"""\n[web]\nport = 0\n'),
        (
            '[web]\nport = 0\n[agent]  # us\nstt = "local"\n',
            '[web]\nport = 0\n[agent]  # us\nprompt = """new"""\nstt = "local"\n',
        ),
        ("[web]\nport = 0\n", '[web]\nport = 0\n\n[agent]\nprompt = """new"""\n'),
        ("", '[agent]\nprompt = """new"""\n'),
    ],
)
def test_the_file_of_the_gateway_has_the_prompt_of_its_own_agent(before: str, after: str) -> None:
    assert with_prompt(before, Path("sipgw.toml"), DEFAULT, "new") == after


def test_what_cannot_be_replaced_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="its prompt cannot be replaced from here"):
        with_prompt('agent = {prompt = "old"}\n', Path("sipgw.toml"), DEFAULT, "new")
    with pytest.raises(ConfigError, match="its prompt cannot be replaced from here"):
        with_prompt("You repair.", MARKDOWN, "repairs", "+++\nstt = 'local'\n+++\nyou mend")


@given(st.text(alphabet=st.one_of(st.sampled_from("\"'\\\n\t+ u0${}"), st.characters(codec="utf-8")), min_size=1))
def test_whatever_is_typed_is_in_the_file_as_it_is_or_refused(typed: str) -> None:
    try:
        prompt = checked(typed)
    except ConfigError:
        return
    for text in ('prompt = "old"\nstt = "local"\n', 'stt = "local"\n'):
        assert tomllib.loads(with_prompt(text, TOML, "repairs", prompt)) == {"prompt": prompt, "stt": "local"}
    try:
        made = with_prompt(HEADED, MARKDOWN, "repairs", prompt)
    except ConfigError:
        return
    assert as_tables(*_parts(made))["agent"] == {"business": "Hill & Sons", "prompt": prompt}


def _parts(text: str) -> tuple[dict, str]:
    head, body = split(text, MARKDOWN)
    return tomllib.loads(head), body


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (" \r\n ", "a prompt has from 1 to 50,000 characters"),
        ("x" * (LONGEST + 1), "a prompt has from 1 to"),
        ("Speak.\x1b[2J", "the prompt has a control character, U\\+001B"),
        ("Say ${OPENAI_API_KEY}", r"\$\{OPENAI_API_KEY\} would put a value of the environment into the prompt"),
    ],
)
def test_a_prompt_that_cannot_be_kept_is_refused_with_the_reason(typed: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        checked(typed)


def test_lines_of_any_browser_are_kept_as_lines() -> None:
    assert checked("  One.\r\nTwo.\r") == "One.\nTwo."
