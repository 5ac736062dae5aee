"""What a user installs: the wheel holds the core, the plugins and the weights, and nothing else; it works as it is."""

from __future__ import annotations

import email
import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from environments import ROOT, Environment

pytestmark = pytest.mark.slow

SHIPPED = ("emgen", "plugins")
NO_CODE = (
    "emgen/report/page.html.j2",
    "emgen/testing/template/files/pyproject.toml.tmpl",
    "emgen_npssegnet/pretrained/model.json",
    "emgen_npssegnet/pretrained/network.json",
    "emgen_npssegnet/pretrained/weights.safetensors",
)


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def tracked() -> set[str]:
    """The tracked files of the shipped packages, as the wheel names them."""
    listed = subprocess.run(["git", "ls-files", *SHIPPED], cwd=ROOT, capture_output=True, check=True, text=True)
    return {name.removeprefix("plugins/") for name in listed.stdout.splitlines() if (ROOT / name).exists()}


def test_the_wheel_holds_every_tracked_file_of_the_packages(names: set[str]) -> None:
    assert tracked() - names == set()


def test_the_wheel_holds_the_weights_and_the_templates(names: set[str]) -> None:
    assert set(NO_CODE) - names == set()


def test_the_wheel_holds_only_packages_and_its_own_metadata(names: set[str]) -> None:
    packages = {name.split("/")[0] for name in names}
    allowed = {"emgen", *(folder.name for folder in (ROOT / "plugins").iterdir())}
    assert {name for name in packages - allowed if not name.endswith(".dist-info")} == set()
    assert not [name for name in names if name.endswith((".pyc", ".ipynb")) or "/tests/" in name]


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 12 * 1024 * 1024


def test_the_metadata_says_licence_python_and_plugins(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folder = next(name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name)
        metadata = email.message_from_bytes(archive.read(f"{folder}/METADATA"))
        entry_points = archive.read(f"{folder}/entry_points.txt").decode()
        assert any(name.endswith("LICENSE") for name in archive.namelist())
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "[emgen.plugins]" in entry_points
    assert "emgen = emgen.cli:main" in entry_points


def test_the_installed_wheel_lists_its_plugins_none_broken_and_loads_its_weights(wheel: Path, tmp_path: Path) -> None:
    environment = Environment.make(tmp_path / "venv", wheel)
    where = environment.run("-c", "import emgen; print(emgen.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(environment.folder)
    listed = json.loads(environment.run("-m", "emgen", "plugins", "list", "--json", cwd=tmp_path))
    assert listed["failures"] == []
    assert {"pix2pix", "cyclegan", "npssegnet"} <= {plugin["name"] for plugin in listed["plugins"]}
    code = "import emgen.model as m; m.load_model('pretrained'); print(m.model_folder('pretrained'))"
    assert Path(environment.run("-c", code, cwd=tmp_path).strip()).is_relative_to(environment.folder)
    assert "--no-plugins" in environment.run(environment.folder / "bin" / "emgen", "--help", cwd=tmp_path)
