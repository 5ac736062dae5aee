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
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n)?"
    r'^(?P<indent> *)```(?P<language>\w*)(?: title="(?P<title>[^"]*)")?[^\n]*\n'
    r"(?P<text>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    ``title``: the file that it shows, if it shows one. ``reason``: why it is not run, from the comment
    ``<!-- not run: … -->`` above it.
    """

    page: Path
    line: int
    language: str
    text: str
    title: str | None
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks of all pages in any of these languages."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in FENCE.finditer(text):
            if match["language"] in languages:
                parts = {name: match[name] for name in ("language", "text", "title", "reason")}
                found.append(Block(page=page, line=text[: match.start()].count("\n") + 1, **parts))
    return found


def spans() -> list[tuple[Path, str]]:
    """(page, text) of everything in single backticks."""
    return [(page, span) for page in PAGES for span in SPAN.findall(FENCE.sub("", page.read_text()))]
