"""``emgen doctor``: exit status, what it prints, what it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from doctor_phantoms import images, with_data_bar

from emgen.api import doctor
from emgen.cli import main
from emgen.errors import NoImagesError, UnknownPluginError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, image in enumerate(images("haadf-stem")[:3]):
        tifffile.imwrite(tmp_path / f"p{index}.tif", image)
    return tmp_path


def run(*words: Any) -> Any:
    return CliRunner().invoke(main, ["doctor", *map(str, words)])


def test_a_clean_set_ends_with_status_0(folder: Path) -> None:
    result = run(folder, "--modality", "haadf-stem")
    assert result.exit_code == 0, result.output
    assert "3 micrographs examined: 0 errors, 0 warnings, 0 notes." in result.output
    assert "2 of 3: p1" in result.output


def test_findings_end_with_status_1_and_name_file_limit_sureness_and_way_out(folder: Path) -> None:
    (folder / "cut.tif").write_bytes(b"II*\0")
    tifffile.imwrite(folder / "bar.tif", with_data_bar(images("haadf-stem")[0]))
    result = run(
        folder, "--quiet", "--json", folder / "out" / "findings.json", "--report", folder / "out" / "page.html"
    )
    assert result.exit_code == 1
    assert "ERROR: cut.tif cannot be read  [unreadable]" in result.output
    assert "2 of 4: p0" not in result.output
    for word in ("where     bar", "measured  30 pixels high", "limit ", "sureness: high", "way out   Crop it off"):
        assert word in result.output
    document = json.loads((folder / "out" / "findings.json").read_text())
    assert document["counts"]["error"] == 1
    assert {"unreadable", "data-bar"} <= {finding["check"] for finding in document["findings"]}
    page = (folder / "out" / "page.html").read_text()
    assert "data:image/png;base64" in page
    assert "Crop it off" in page


def test_notes_alone_need_no_attention(folder: Path) -> None:
    tifffile.imwrite(folder / "other.tif", images("haadf-stem", n=5)[4][:300, :300].astype(np.uint16) * 200)
    result = run(folder, "--quiet")
    assert result.exit_code == 0
    assert "Note: mixed bit depths" in result.output


@pytest.mark.parametrize("words", [["nowhere/*.tif"], [".", "--labels", "nowhere"], []])
def test_a_wrong_call_ends_with_status_2(words: list[str]) -> None:
    assert run(*words).exit_code == 2


def test_an_unknown_modality_names_the_known_ones(folder: Path) -> None:
    with pytest.raises(UnknownPluginError, match="haadf-stem"):
        doctor(folder, modality="haadf")
    with pytest.raises(NoImagesError):
        doctor(folder / "none")


def test_the_pages_pictures_of_an_overlap_show_both_micrographs(folder: Path, tmp_path: Path) -> None:
    whole = images("haadf-stem")[0]
    tifffile.imwrite(folder / "part.tif", np.ascontiguousarray(np.rot90(whole[:, 120:])))
    result = run(folder, "--quiet", "--report", tmp_path / "page.html")
    assert result.exit_code == 1
    page = (tmp_path / "page.html").read_text()
    finding = page.split("fields of view that overlap")[1].split("</table>", 1)[1].split("<h3>")[0]
    assert [part.split("<")[0] for part in finding.split("<figcaption><span>")[1:]] == ["p0", "part"]
    assert "part rotated by 270°" in page
