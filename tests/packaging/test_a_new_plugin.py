"""The way of a third party: a distribution from the template, built, installed beside emgen, checked, used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from environments import Environment, build_wheel

pytestmark = pytest.mark.slow

IMAGES = """
import tifffile
from emgen.testing.phantoms import phantom_micrographs
for number, phantom in enumerate(phantom_micrographs(6, (256, 256), seed=2)):
    tifffile.imwrite(f"area-{number}.tif", phantom.image_HW)
"""


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """emgen and the new plugin, both from wheels. The plugin's folder ``emgen-mine`` stands beside the environment."""
    desk = tmp_path_factory.mktemp("third-party")
    environment = Environment.make(desk / "venv", wheel)
    environment.run("-m", "emgen", "plugins", "new", "mine", "--kind", "rough_segmenter", cwd=desk)
    environment.install(build_wheel(desk / "emgen-mine", desk / "wheels"))
    return environment


def test_the_new_plugin_is_listed_with_its_distribution(environment: Environment, tmp_path: Path) -> None:
    listed = json.loads(environment.run("-m", "emgen", "plugins", "list", "--json", cwd=tmp_path))
    assert listed["failures"] == []
    mine = [plugin for plugin in listed["plugins"] if plugin["name"] == "mine"]
    assert [(plugin["kind"], plugin["distribution"]) for plugin in mine] == [("rough_segmenter", "emgen-mine")]


def test_its_own_tests_and_the_conformance_checks_are_green(environment: Environment, tmp_path: Path) -> None:
    checked = environment.run("-m", "emgen", "plugins", "check", "mine", cwd=tmp_path)
    assert " 0 failed" in checked
    tests = environment.folder.parent / "emgen-mine" / "tests"
    assert " passed" in environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", tests, cwd=tmp_path)


def test_a_spec_names_it_and_validates(environment: Environment, tmp_path: Path) -> None:
    environment.run("-c", IMAGES, cwd=tmp_path)
    spec = {"images": ["*.tif"], "modality": "haadf-stem", "rough_segmenter": "mine"}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    environment.run("-m", "emgen", "validate", "spec.json", cwd=tmp_path)


def test_no_plugins_leaves_it_out_and_says_so(environment: Environment, tmp_path: Path) -> None:
    listed = environment.run("-m", "emgen", "--no-plugins", "plugins", "list", cwd=tmp_path)
    assert "mine" not in listed.split()
    assert "threshold" in listed.split()


def test_without_it_emgen_is_as_before(environment: Environment, tmp_path: Path) -> None:
    environment.remove("emgen-mine")
    listed = json.loads(environment.run("-m", "emgen", "plugins", "list", "--json", cwd=tmp_path))
    assert "mine" not in {plugin["name"] for plugin in listed["plugins"]}
    assert listed["failures"] == []
