"""``emgen plugins new`` writes a distribution that works as it is, for every kind of plugin."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from emgen.cli import main
from emgen.host import KINDS, load_host
from emgen.registration import Kind
from emgen.testing.conformance import checks_of, run_checks
from emgen.testing.pytest_plugin import FakeDistribution


def new(folder: Path, *arguments: str) -> Path:
    made = CliRunner().invoke(main, ["plugins", "new", *arguments, "--out", str(folder)])
    assert made.exit_code == 0, made.output
    return folder


def modules_of(folder: Path) -> dict[str, str]:
    """Module name -> source of the written package."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): path.read_text()
        for path in sorted(folder.glob("emgen_*/*.py"))
        if path.name != "__init__.py"
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_listed_and_passes_its_checks(
    tmp_path: Path, fake_distribution: FakeDistribution, kind: Kind
) -> None:
    folder = new(tmp_path / "made", "fresh-one", "--kind", kind)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    fake_distribution(
        project["name"],
        modules_of(folder),
        version=project["version"],
        entry_points=project["entry-points"]["emgen.plugins"],
    )
    found = load_host().find(kind, "fresh-one")
    assert found.distribution == "emgen-fresh-one"
    results = list(run_checks(checks_of(found)))
    assert [(r.name, r.text) for r in results if r.outcome != "passed"] == []


def test_the_distribution_pins_emgen_and_has_a_readme_and_tests(tmp_path: Path) -> None:
    folder = new(tmp_path / "made", "fresh-one", "--kind", "mask_sampler")
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "emgen-fresh-one"
    assert project["dependencies"][0].startswith("emgen>=0.")
    assert ",<0." in project["dependencies"][0]
    assert "mask_sampler: fresh-one" in (folder / "README.md").read_text()
    tests = (folder / "tests" / "test_conformance.py").read_text()
    assert "class TestFreshOneSampler(MaskSamplerConformance):" in tests
    assert 'plugin = "fresh-one"' in tests


def test_nothing_of_the_template_is_left_over(tmp_path: Path) -> None:
    for kind in KINDS:
        folder = new(tmp_path / kind, "fresh-one", "--kind", kind)
        for path in (path for path in folder.rglob("*") if path.is_file()):
            assert "$" not in path.read_text(), path
            if path.suffix == ".py":
                compile(path.read_text(), str(path), "exec")
                assert max(map(len, path.read_text().splitlines()), default=0) <= 120


def test_the_prefix_of_the_distribution_may_be_given(tmp_path: Path) -> None:
    folder = new(tmp_path / "made", "emgen-fresh-one")
    assert tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"] == "emgen-fresh-one"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["Fresh_One"], "is not in kebab-case"),
        (["3d-masks"], "starting with a letter"),
        (["npssegnet", "--kind", "downstream_task"], 'downstream task "npssegnet" of emgen'),
        (["pix2pix", "--kind", "metric"], 'a package "emgen_pix2pix" is already installed'),
        (["fresh-one", "--kind", "segmenter"], "'segmenter' is not one of"),
    ],
)
def test_a_bad_or_taken_name_is_refused_before_anything_is_written(
    tmp_path: Path, arguments: list[str], text: str
) -> None:
    done = CliRunner().invoke(main, ["plugins", "new", *arguments, "--out", str(tmp_path / "made")])
    assert done.exit_code == 2
    assert text in " ".join(done.stderr.split())
    assert not (tmp_path / "made").exists()


def test_a_folder_that_holds_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    done = CliRunner().invoke(main, ["plugins", "new", "fresh-one", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "exists and holds files" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
