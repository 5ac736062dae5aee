"""Real micrographs, where ``EMGEN_REAL_DATA`` points to some: every file is read, one is segmented by the command."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from emgen.api import doctor
from emgen.cli import main
from emgen.data import MicrographSet, expand_images
from emgen.host import load_host

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif("EMGEN_REAL_DATA" not in os.environ, reason="EMGEN_REAL_DATA names no folder of micrographs"),
]

FOLDERS = [("catalysts/haadf", "haadf-stem"), ("catalysts/bf", "bf-tem"), ("msaem/images", "bf-tem")]
FEW_PIXELS = "catalysts/haadf/Cu4.jpg"


def real(name: str) -> Path:
    path = Path(os.environ["EMGEN_REAL_DATA"]) / name
    if not path.exists():
        pytest.skip(f"EMGEN_REAL_DATA holds no {name}")
    return path


@pytest.mark.parametrize(("folder", "modality"), FOLDERS)
def test_every_file_is_read_as_a_grey_micrograph_between_0_and_1(folder: str, modality: str) -> None:
    paths = expand_images([str(real(folder))])
    assert len(paths) == sum(file.suffix in {".jpg", ".png"} for file in real(folder).iterdir())
    micrographs = MicrographSet(paths, load_host(), modality)
    assert micrographs.names == [path.stem for path in paths]
    for path, micrograph in zip(paths, micrographs, strict=True):
        with Image.open(path) as picture:
            assert micrograph.image_HW.shape == picture.size[::-1], path
        assert micrograph.image_HW.dtype == np.float32
        assert (micrograph.image_HW.min(), micrograph.image_HW.max()) == (0, 1), path
        assert micrograph.image_HW.std() > 0.02, path
        assert micrograph.pixel_size_nm is None, path  # no file says one, so none is made up


def test_the_shipped_weights_segment_a_micrograph_into_a_mask_and_labels_of_its_own_size(tmp_path: Path) -> None:
    source = real(FEW_PIXELS)
    result = CliRunner().invoke(main, ["segment", "pretrained", str(source), "--out", str(tmp_path), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    mask, labels = (tifffile.imread(tmp_path / f"Cu4_{kind}.tif") for kind in ("mask", "labels"))
    with Image.open(source) as picture:
        assert mask.shape == labels.shape == picture.size[::-1]
    np.testing.assert_array_equal(mask > 0, labels > 0)
    (record,) = json.loads((tmp_path / "summary.json").read_text())["files"]
    assert record["particles"] == labels.max() == len(pd.read_csv(tmp_path / "particles.csv"))
    assert record["particles"] > 0
    assert record["pixel_size_nm"] is None


def test_the_doctor_finds_that_tiles_of_the_heating_series_overlap() -> None:
    """Two recordings of one place differ in noise; some tiles of this set are turned."""
    diagnosis = doctor(real("msaem/images"), modality="bf-tem")
    assert [finding.check for finding in diagnosis.findings] == ["overlap"]
    (overlap,) = diagnosis.findings
    pairs = {frozenset(pair["names"]): pair["share"] for pair in overlap.values["pairs"]}
    assert len(pairs) >= 13
    assert pairs[frozenset(("test_3", "test_4"))] == pytest.approx(0.77, abs=0.03)
    assert frozenset(("test_18", "test_6")) in pairs  # turned by a quarter


def test_the_doctor_takes_no_two_distinct_micrographs_of_catalysts_for_the_same_place() -> None:
    """All but two, whose fields of view do overlap: the same agglomerates lie in both, correlation 0.96."""
    diagnosis = doctor(real("catalysts/haadf"), modality="haadf-stem")
    attention = [finding for finding in diagnosis.findings if finding.severity != "note"]
    assert [(finding.check, finding.names) for finding in attention] == [("overlap", ("PtW1", "PtW2"))]
    assert "mixed-polarity" not in {finding.check for finding in diagnosis.findings}


def test_the_doctor_knows_bright_field_among_dark_field() -> None:
    files = sorted(real("catalysts/haadf").iterdir())[:5] + sorted(real("catalysts/bf").iterdir())
    found = {finding.check: finding.names for finding in doctor(files).findings}
    assert found["mixed-polarity"] == ("PtC1", "PtC2")
