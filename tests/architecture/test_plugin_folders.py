"""The folders are the architecture: what is under plugins/ is registered, shipped, checked, and looks alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHARED_CODE = "emgen_torchkit"
"""Registers nothing: networks and the training loop that plugins share."""
WITHOUT_SETTINGS = {"emgen_modalities", "emgen_readers"}


def registering(plugin_folders: list[Path]) -> list[Path]:
    return [folder for folder in plugin_folders if folder.name != SHARED_CODE]


def test_every_plugin_folder_is_an_entry_point_and_no_other(
    plugin_folders: list[Path], pyproject: dict[str, Any]
) -> None:
    table = pyproject["project"]["entry-points"]["emgen.plugins"]
    assert table == {folder.name: f"{folder.name}.plugin" for folder in registering(plugin_folders)}


def test_the_wheel_holds_the_core_and_every_plugin_folder(
    plugin_folders: list[Path], pyproject: dict[str, Any]
) -> None:
    packages = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(packages) == ["emgen", *(f"plugins/{folder.name}" for folder in plugin_folders)]


def test_the_import_contracts_cover_every_package(plugin_folders: list[Path], pyproject: dict[str, Any]) -> None:
    linter = pyproject["tool"]["importlinter"]
    names = sorted(["emgen", *(folder.name for folder in plugin_folders)])
    assert sorted(linter["root_packages"]) == names
    layers = linter["contracts"][0]["layers"]
    assert sorted(name for layer in layers for name in layer.split(" | ")) == names


def test_every_plugin_package_has_the_same_four_files(plugin_folders: list[Path]) -> None:
    for folder in registering(plugin_folders):
        files = {file.name for file in folder.iterdir()}
        wanted = {"plugin.py", "README.md"} | (set() if folder.name in WITHOUT_SETTINGS else {"config.py"})
        assert wanted <= files, f"{folder.name} lacks {sorted(wanted - files)}"
        implementation = {file.name for file in folder.rglob("*.py")} - {"__init__.py", "plugin.py", "config.py"}
        assert implementation, f"{folder.name} registers but implements nothing"


def test_the_shared_code_registers_nothing(root: Path) -> None:
    assert not (root / "plugins" / SHARED_CODE / "plugin.py").exists()


def test_the_sdist_is_an_allow_list_that_leaves_tests_and_data_out(pyproject: dict[str, Any]) -> None:
    included = pyproject["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {"/emgen", "/plugins", "/LICENSE"} <= set(included)
    assert not {"/tests", "/docs", "/.ci", "/"} & set(included)
