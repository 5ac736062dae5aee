"""Examples are true: Python in pages runs, YAML specs validate, doctests pass. One that does not run says why."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from pages import ROOT, WALKS, Block, blocks

DOCTESTED = sorted(
    ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
    for folder in (ROOT, ROOT / "plugins")
    for file in folder.glob("emgen*/**/*.py")
    if ">>> " in file.read_text()
)


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: ``micrographs/`` with three phantoms as TIFF."""
    import tifffile

    from emgen.testing.phantoms import phantom_micrographs

    folder = tmp_path_factory.mktemp("desk")
    (folder / "micrographs").mkdir()
    for number, phantom in enumerate(phantom_micrographs(3, (256, 256), seed=1)):
        tifffile.imwrite(folder / "micrographs" / f"area-{number}.tif", (phantom.image_HW * 65535).astype("uint16"))
    return folder


def write_shown_files(page: Path, folder: Path) -> Path:
    """The files that the titled Python blocks of a page show, so that its other examples can import them."""
    for shown in blocks("python"):
        if shown.page == page and shown.title is not None:
            file = folder / shown.title
            file.parent.mkdir(parents=True, exist_ok=True)
            (file.parent / "__init__.py").touch()
            file.write_text(shown.text)
    return folder


def alone(language: str) -> list[Block]:
    """The blocks of pages that are not walked."""
    return [block for block in blocks(language) if block.page not in WALKS]


@pytest.mark.parametrize("block", [block for block in alone("python") if block.title is None], ids=str)
def test_a_python_example_runs_or_says_why_not(block: Block, desk: Path, tmp_path: Path) -> None:
    compile(block.text, str(block), "exec")
    if block.reason is not None:
        pytest.skip(block.reason)
    beside = write_shown_files(block.page, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", block.text],
        cwd=desk,
        env=os.environ | {"OMP_NUM_THREADS": "2", "PYTHONPATH": str(beside)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{block}\n{done.stderr}"


@pytest.mark.parametrize("block", alone("yaml"), ids=str)
def test_a_yaml_spec_on_a_page_validates(block: Block, desk: Path) -> None:
    import yaml

    from emgen.spec import load_spec

    if block.reason is not None:
        pytest.skip(block.reason)
    load_spec(yaml.safe_load(block.text), base=desk)


@pytest.mark.parametrize("module", DOCTESTED)
def test_the_examples_in_docstrings_are_true(module: str) -> None:
    failed, tried = doctest.testmod(import_module(module), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert tried
    assert failed == 0
