"""The pages a reader sees, and what is written as code in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "contrib").glob("README.md"),
        *(ROOT / "plugins").glob("*/README.md"),
    ]
)
FENCE = re.compile(
    r"^(?:<!-- (?P<note>not run|run as|output)(?:: (?P<words>.+?))? -->\n)?"
    r'^(?P<indent> *)```(?P<language>\w*)(?: title="(?P<title>[^"]*)")?[^\n]*\n'
    r"(?P<text>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    ``title``: the file that it shows, if it shows one. A comment above it says what a test makes of it: ``reason``,
    why it is not run (``<!-- not run: … -->``); ``substitute``, what is run in its place where it would take long or
    needs what a test has not (``<!-- run as: … -->``); ``output``, that it is what the block before prints
    (``<!-- output -->``).
    """

    page: Path
    line: int
    language: str
    text: str
    title: str | None
    reason: str | None
    substitute: str | None
    output: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks of all pages in any of these languages."""
    found = []
    for page in PAGES:
        text = page.read_text()
        found += [block(page, text, match) for match in FENCE.finditer(text) if match["language"] in languages]
    return found


def block(page: Path, text: str, match: re.Match[str]) -> Block:
    return Block(
        page=page,
        line=text[: match.start()].count("\n") + 1,
        language=match["language"],
        text=match["text"],
        title=match["title"],
        reason=match["words"] if match["note"] == "not run" else None,
        substitute=match["words"] if match["note"] == "run as" else None,
        output=match["note"] == "output",
    )


def spans() -> list[tuple[Path, str]]:
    """(page, text) of everything in single backticks."""
    return [(page, span) for page in PAGES for span in SPAN.findall(FENCE.sub("", page.read_text()))]


WALKS = {
    ROOT / "docs" / page
    for page in (
        "tutorial/own-files-to-size-distribution.md",
        "tutorial/publish-a-plugin.md",
        "how-to/measure-masks.md",
        "how-to/python-api.md",
    )
}
"""Pages that run from top to bottom, shell and all (``test_walks.py``); elsewhere each block stands by itself."""
