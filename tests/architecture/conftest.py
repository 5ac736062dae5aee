"""What the architecture tests look at: the tracked files of this checkout and its pyproject."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def tracked_files(root: Path) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True)
    files = (root / name for name in listed.stdout.split("\0") if name)
    return [file for file in files if file.is_file()]


@pytest.fixture(scope="session")
def python_files(root: Path, tracked_files: list[Path]) -> list[Path]:
    """The code that is shipped: the core, the plugins, contrib; no tests, no template text."""
    folders = ("emgen", "plugins", "contrib", "scripts")
    template = root / "contrib" / "template"
    return [
        file
        for file in tracked_files
        if file.suffix == ".py" and file.relative_to(root).parts[0] in folders and not file.is_relative_to(template)
    ]


@pytest.fixture(scope="session")
def plugin_folders(root: Path) -> list[Path]:
    return sorted(folder for folder in (root / "plugins").iterdir() if (folder / "__init__.py").exists())
