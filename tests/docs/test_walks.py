"""Tutorials are true: their commands, files and Python run in the order of the page and print what it shows."""

from __future__ import annotations

import shutil
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import ROOT, WALKS, Block
from walking import Walker, agree, assert_says, unexplained

from emgen.testing.pytest_plugin import FakeDistribution

IN_AN_ENVIRONMENT = ROOT / "docs/tutorial/publish-a-plugin.md"


@pytest.mark.parametrize("page", sorted(WALKS - {IN_AN_ENVIRONMENT}), ids=lambda page: page.stem)
def test_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path, fake_distribution: FakeDistribution) -> None:
    fakes = fake_distribution("emgen-fakes", {"emgen_fakes": "from emgen.testing.fakes import *"})
    folder = tmp_path / "desk"
    folder.mkdir()
    Walker(folder, variables={"PYTHONPATH": str(fakes)}).walk(page)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_a_plugin_is_made_built_and_installed_as_its_tutorial_says(tmp_path: Path) -> None:
    python = environment(tmp_path / "environment")
    folder = tmp_path / "desk"
    folder.mkdir()
    found = [str(ROOT), str(ROOT / "plugins")]
    Walker(folder, str(python), {"PYTHONPATH": ":".join(found), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}).walk(
        IN_AN_ENVIRONMENT
    )


def environment(folder: Path) -> Path:
    """A virtual environment with ``emgen``, ``pip`` and ``pytest`` that borrows the packages of this one.

    It has no pip of its own, as that takes long to install: this one's works on it.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # The first of the .pth files: those of editable installs need what it brings.
    borrowed = folder / "lib" / version / "site-packages" / "_borrowed.pth"
    borrowed.write_text(sysconfig.get_path("purelib") + "\n")
    for name, call in {
        "emgen": f"{python} -m emgen",
        "pytest": f"{python} -m pytest",
        "pip": f"{sys.executable} -m pip --python {python}",
    }.items():
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {call} "$@"\n')
        script.chmod(0o755)
    return python


@pytest.mark.parametrize("page", sorted(WALKS), ids=lambda page: page.stem)
def test_shown_output_is_that_of_a_block_that_is_run_as_it_stands(page: Path) -> None:
    assert unexplained(page) == []


@pytest.fixture
def shown() -> Callable[[str], Block]:
    parts = {"language": "text", "title": None, "reason": None, "substitute": None, "output": True}
    return lambda text: Block(page=ROOT / "README.md", line=1, text=text, **parts)


def test_a_walk_sees_another_number_or_word(shown: Callable[[str], Block]) -> None:
    assert agree("mean  5.02 nm", "mean 5.0 nm")
    assert not agree("mean 5.2 nm", "mean 5.0 nm")
    assert not agree("mean 5 nm", "mean 5 px")
    with pytest.raises(AssertionError, match="shows"):
        assert_says(shown("one\nthree\n"), "one\ntwo\nthree\n")


def test_an_ellipsis_stands_for_lines_that_are_not_shown(shown: Callable[[str], Block]) -> None:
    assert_says(shown("one\n…\nthree\n"), "zero\none\ntwo\nthree\nfour\n")
