"""The documents say what is true: keys, verbs, links and sample settings."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from inspect_station import cli, config

TOP = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([TOP / "README.md", *(TOP / "docs").glob("*.md")])


def test_the_readmes_table_of_keys_is_the_bindings():
    spec = importlib.util.spec_from_file_location("readme", TOP / "tools" / "readme.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = (TOP / "README.md").read_text(encoding="utf-8")
    assert tool.written(text) == text, "run tools/readme.py"
    assert "| `p` |" in text


def _commands(text: str) -> list[list[str]]:
    """The words after the program's name, wherever a document shows a command."""
    found = re.findall(r"(?:^|`)(?:inspect-station|\./run)((?: +[^\s`#|]+)*)", text, flags=re.MULTILINE)
    return [each.split() for each in found]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_verb_and_option_that_a_document_names_exists(document):
    program = typer.main.get_command(cli.app)
    for words in _commands(document.read_text(encoding="utf-8")):
        command = program
        if not words or words[0] in ("test", "check", "WORDS", "--help"):
            continue
        for word in words:
            subcommands = getattr(command, "commands", {})
            if word in subcommands:
                command = subcommands[word]
            elif unsaid := getattr(command, "unsaid", ""):
                command = subcommands[unsaid]
            elif subcommands:
                raise AssertionError(f"{document.name}: no verb {' '.join(words)}")
            elif word.startswith("-"):
                known = {option for parameter in command.params for option in parameter.opts}
                assert word in known, f"{document.name}: {' '.join(words)}: no option {word}"


def _verbs(command: Any, *said: str) -> Iterator[str]:
    """All verbs of a program as a person writes them, without those that need not be said."""
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield " ".join(said)
    for word, each in subcommands.items():
        yield from _verbs(each, *said, *(() if word == getattr(command, "unsaid", "") else (word,)))


@pytest.mark.parametrize("words", sorted(set(_verbs(typer.main.get_command(cli.app)))))
def test_every_verb_is_named_in_a_document(words):
    everything = " ".join(" ".join(document.read_text(encoding="utf-8").split()) for document in DOCUMENTS)
    assert re.search(rf"(?:inspect-station |\./run |`){words}(?![\w-])", everything)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_the_sample_settings_of_the_set_up_page_are_accepted(tmp_path):
    text = (TOP / "docs" / "setup.md").read_text(encoding="utf-8")
    samples = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    assert len(samples) >= 5
    whole = "\n".join(samples).replace('badge_sha256 = "…"', f'badge_sha256 = "{"0" * 64}"')
    site = tmp_path / "station.toml"
    site.write_text(whole, encoding="utf-8")
    assert [str(problem.message) for problem in config.problems(site)] == []
