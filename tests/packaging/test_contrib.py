"""Every distribution in contrib/: its wheel beside emgen's own, listed, conformant, its tests green.

One environment for all of them, since what they need takes gigabytes; it is removed in the end.
"""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from environments import ROOT, Environment, build_wheel, registry_answers

pytestmark = pytest.mark.slow

PROJECTS = {
    file.parent.name: tomllib.loads(file.read_text())["project"]
    for file in sorted((ROOT / "contrib").glob("*/pyproject.toml"))
}


def with_entry_points(group: str) -> list[str]:
    return [name for name, project in PROJECTS.items() if group in project.get("entry-points", {})]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """emgen's wheel and all of theirs; what they depend on comes from the registry."""
    folder = tmp_path_factory.mktemp("contrib")
    made = Environment.make(folder / "venv", wheel)
    wheels = [build_wheel(ROOT / "contrib" / name, folder / "wheels" / name) for name in PROJECTS]
    try:
        made.add(*(f"{built}[test]" for built in wheels))
    except AssertionError as error:
        if registry_answers(folder / "probe"):
            raise
        pytest.skip(f"the package registry cannot be reached: {str(error).strip().splitlines()[-1]}")
    yield made
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def listed(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found = environment.run("-m", "emgen", "plugins", "list", "--json", cwd=tmp_path_factory.mktemp("listing"))
    return dict(json.loads(found))


def test_contrib_holds_distributions() -> None:
    assert len(PROJECTS) >= 3


def test_emgen_is_still_the_wheel_of_this_checkout(environment: Environment, tmp_path: Path) -> None:
    where = environment.run("-c", "import emgen; print(emgen.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(environment.folder)


def test_nothing_is_broken_beside_them(listed: dict[str, Any]) -> None:
    assert listed["failures"] == []


@pytest.mark.parametrize("name", with_entry_points("emgen.plugins"))
def test_its_plugins_are_listed(name: str, listed: dict[str, Any]) -> None:
    registered = [*listed["plugins"], *listed.get("observers", [])]
    assert PROJECTS[name]["name"] in {plugin["distribution"] for plugin in registered}


@pytest.mark.parametrize("name", with_entry_points("emgen.plugins"))
def test_its_plugins_conform(name: str, environment: Environment, tmp_path: Path) -> None:
    said = environment.run("-m", "emgen", "plugins", "check", PROJECTS[name]["name"], cwd=tmp_path)
    passed, failed, _ = (int(part.split()[0]) for part in said.splitlines()[-1].split(", "))
    assert passed > 0
    assert failed == 0


@pytest.mark.parametrize("name", with_entry_points("napari.manifest"))
def test_naparis_own_validator_accepts_its_manifest(name: str, environment: Environment, tmp_path: Path) -> None:
    assert "valid" in environment.run("-m", "npe2", "validate", PROJECTS[name]["name"], cwd=tmp_path)
    assert PROJECTS[name]["name"] in environment.run("-m", "npe2", "list", "--format", "json", cwd=tmp_path)


@pytest.mark.parametrize("name", PROJECTS)
def test_its_own_tests_pass(name: str, environment: Environment, tmp_path: Path) -> None:
    """A copy of them, away from its sources: what is tested is the wheel."""
    shutil.copytree(ROOT / "contrib" / name / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "contrib" / name / "pyproject.toml", tmp_path)
    real = {key: value for key, value in os.environ.items() if key == "EMGEN_REAL_DATA"}
    options = ["-q", "-rs", "-p", "no:cacheprovider", "--timeout=300", "--basetemp", str(tmp_path / "made")]
    said = environment.run("-m", "pytest", *options, "tests", cwd=tmp_path, environ={"OMP_NUM_THREADS": "1", **real})
    print(said)
    assert " passed" in said.splitlines()[-1]


@pytest.mark.parametrize("name", PROJECTS)
def test_it_has_an_owner_a_licence_and_a_pin(name: str) -> None:
    folder, project = ROOT / "contrib" / name, PROJECTS[name]
    assert "Owner:" in (folder / "README.md").read_text()
    assert (folder / "LICENSE").is_file()
    assert project["license"] in (folder / "README.md").read_text() or "MIT" in project["license"]
    (pin,) = [need for need in project["dependencies"] if need.startswith("emgen")]
    assert ">=" in pin
    assert "<" in pin
