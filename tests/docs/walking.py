"""Runs the blocks of a page in order in one folder, as a reader who follows it does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from pages import Block, blocks

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")
TOLERANCE = 0.02
"""Of numbers in printed output: another version of numpy may round a threshold the other way."""


@dataclass(frozen=True)
class Walker:
    """``folder``: where the page's files and results go. ``python``: what runs its Python."""

    folder: Path
    python: str = sys.executable
    variables: dict[str, str] = field(default_factory=dict)

    def walk(self, page: Path) -> None:
        """Fails at the first block that fails, or prints something else than the page says."""
        steps = [block for block in blocks("bash", "python", "yaml", "toml", "text") if block.page == page]
        assert steps, page
        printed = ""
        for step in steps:
            if step.output:
                assert_says(step, printed)
            elif step.title is not None:
                write(self.folder / step.title, step.text)
            elif step.reason is None and step.language in ("bash", "python"):
                printed = self.run(step)

    def run(self, step: Block) -> str:
        """Standard output of the block, or of what stands for it."""
        text = step.substitute or step.text
        shell = step.language == "bash"
        command = ["bash", "-euo", "pipefail", "-c", text] if shell else [self.python, "-c", text]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"
        return done.stdout

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(self.python).parent), os.environ["PATH"]])
        fixed = {"PATH": path, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "100"}
        return os.environ | fixed | self.variables


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def assert_says(block: Block, printed: str) -> None:
    """The lines shown stand in what was printed, in order; between lines parted by ``…`` others may."""
    parts = [part.strip("\n").splitlines() for part in block.text.split("…\n")]
    lines = printed.splitlines()
    for part in filter(None, parts):
        places = [i for i in range(len(lines) - len(part) + 1) if all(map(agree, part, lines[i:]))]
        assert places, f"{block} shows\n{block.text}\nprinted was\n{printed}"
        lines = lines[places[0] + len(part) :]


def agree(shown: str, printed: str) -> bool:
    """The same words, and numbers within ``TOLERANCE`` of each other; spaces at the end do not count."""
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split():
        return False
    numbers = zip(map(float, NUMBER.findall(shown)), map(float, NUMBER.findall(printed)), strict=True)
    return all(abs(one - other) <= TOLERANCE * max(abs(one), abs(other)) for one, other in numbers)


def unexplained(page: Path) -> list[str]:
    """Blocks marked as output that follow nothing that is run as it stands: nobody could check them."""
    steps = [block for block in blocks("bash", "python", "text") if block.page == page and block.title is None]
    return [
        str(after)
        for before, after in pairwise(steps)
        if after.output and (before.output or before.reason or before.substitute or before.language == "text")
    ]
