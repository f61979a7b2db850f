"""What README and docs tell people to type is there: commands of `sigtrail`, their options, other pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.bench import BENCHMARKS
from cli.main import COMMANDS, NOUNS, build

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
# A line of a code block, up to its explanation, or what stands between backticks.
_TYPED = re.compile(r"^ {4}(?P<line>\S.*?)(?= {3}|\s#|$)|`(?P<word>[^`\n]+)`", re.MULTILINE)
_COMMAND = re.compile(rf"(?:\bsigtrail |^)(?=(?:{'|'.join((*NOUNS, *COMMANDS))}) )(?P<words>[^|>]+)")


def commands_of(page: Path) -> Iterator[str]:
    """Every command of `sigtrail` that a page shows with more than its first word."""
    for typed in _TYPED.finditer(page.read_text()):
        found = _COMMAND.search(typed["line"] or typed["word"])
        if found:
            yield found["words"].strip()


SHOWN = sorted({(page.name, words) for page in PAGES for words in commands_of(page)})


@pytest.fixture(scope="module")
def sigtrail() -> Any:
    return typer.main.get_command(build([]))


def test_each_page_shows_commands() -> None:
    assert {page for page, _ in SHOWN} == {page.name for page in PAGES}


@pytest.mark.parametrize(("page", "words"), SHOWN)
def test_a_command_that_a_page_shows_exists(sigtrail: Any, page: str, words: str) -> None:
    command = sigtrail
    rest = words.replace("[", " ").replace("]", " ").split()
    while rest and hasattr(command, "commands"):
        assert rest[0] in command.commands, f"{page}: there is no {words}"
        command = command.commands[rest.pop(0)]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in rest if re.fullmatch(r"--[a-z-]+|-[a-z]", word)} <= known


def test_each_benchmark_is_explained() -> None:
    page = (CHECKOUT / "docs" / "benchmarks.md").read_text()
    assert [name for name in BENCHMARKS if f"bench {name}" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_a_page_links_to_what_there_is(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
