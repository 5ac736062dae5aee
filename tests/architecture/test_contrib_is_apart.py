"""contrib/ uses emgen; nothing that the root distribution ships knows contrib or installs it."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest


def imported(file: Path) -> set[str]:
    """Top-level names of all modules that a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.fixture(scope="module")
def distributions(root: Path) -> list[Path]:
    """The folders of contrib/ that are distributions; the template becomes one only when it is filled in."""
    return [
        file.parent for file in sorted((root / "contrib").glob("*/pyproject.toml")) if file.parent.name != "template"
    ]


def test_neither_core_nor_plugins_import_contrib(
    root: Path, python_files: list[Path], distributions: list[Path]
) -> None:
    packages = {init.parent.name for folder in distributions for init in folder.glob("**/__init__.py")}
    shipped = [file for file in python_files if file.relative_to(root).parts[0] in {"emgen", "plugins"}]
    found = {str(file): names for file in shipped if (names := imported(file) & packages)}
    assert found == {}


def test_each_contrib_distribution_stands_alone(distributions: list[Path], pyproject: dict[str, Any]) -> None:
    required = " ".join(pyproject["project"]["dependencies"])
    for folder in distributions:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        assert project["name"] not in required
        assert any(need.startswith("emgen") for need in project["dependencies"]), f"{folder.name} pins no emgen"
        assert {"README.md", "tests"} <= {entry.name for entry in folder.iterdir()}, folder


def test_no_gpl_library_is_a_dependency_of_the_root(pyproject: dict[str, Any]) -> None:
    gpl = {"rosettasciio", "hyperspy", "exspy", "kikuchipy", "py4dstem", "particlespy", "pyxem", "atomap"}
    project = pyproject["project"]
    needs = [*project["dependencies"], *(need for extra in project["optional-dependencies"].values() for need in extra)]
    names = {need.split(";")[0].split("[")[0].strip().lower().rstrip("<>=.,0123456789 ") for need in needs}
    assert not names & gpl
