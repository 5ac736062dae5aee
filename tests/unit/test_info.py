"""``emgen info``: what was read of files, good and bad."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from microscope_files import dm_image, noise, with_bar, write_dm, write_mrc
from PIL import Image

from emgen.cli import main


def info(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["info", *map(str, arguments)])


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    tags = {"Microscope Info": {"Voltage": 300000.0, "Name": "Titan"}}
    write_dm(tmp_path / "movie.dm4", dm_image(noise(4, 30, 50), [0.5, 0.5, 0.1], ["nm", "nm", "s"], tags=tags))
    return tmp_path / "movie.dm4"


def test_one_line_says_the_most_and_the_lines_below_the_rest(movie: Path) -> None:
    done = info(movie)
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "movie.dm4: 4 micrographs, 50 x 30 px, uint16, 0.5 nm/px, every 0.1 s [dm]",
        "  pixel size    0.5 nm in the file",
        "  microscope    Titan",
        "  voltage       300 kV",
    ]


def test_an_unknown_pixel_size_says_why_and_how_to_give_it(tmp_path: Path) -> None:
    Image.fromarray(noise(30, 50, dtype="u1")).convert("RGBA").save(tmp_path / "a.png")
    output = info(tmp_path / "a.png").output
    assert "a.png: 1 micrograph, 50 x 30 px, uint8, pixel size unknown [png-jpeg]" in output
    assert "unknown: pictures of this format hold none; give it with --pixel-size" in output
    assert "alpha channel dropped" in output


def test_a_cropped_data_bar_is_told_and_the_size_is_that_of_the_micrograph(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "sem.tif", with_bar(noise(400, 600, dtype="u1")))
    output = info(tmp_path / "sem.tif").output
    assert "600 x 400 px" in output
    assert "data bar cropped: 44 rows at the bottom" in output


def test_bad_files_are_reported_and_the_others_still_done(movie: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.tif").write_bytes(b"II*\0\x08")
    (tmp_path / "a.hspy").touch()
    write_mrc(tmp_path / "good.mrc", noise(9, 9, dtype="i2"), 2.0)
    done = info(tmp_path, tmp_path / "none.tif")
    assert done.exit_code == 1
    assert "movie.dm4: 4 micrographs" in done.stdout
    assert "good.mrc: 1 micrograph, 9 x 9 px, int16, 0.2 nm/px [mrc]" in done.stdout
    assert done.stderr.count("Failed: ") == 3
    assert "pip install emgen-rosettasciio" in done.stderr
    assert "none.tif: there is no such file" in done.stderr


def test_a_pixel_size_of_zero_is_a_failure_that_names_the_field(tmp_path: Path) -> None:
    write_dm(tmp_path / "a.dm4", dm_image(noise(9, 9), [0, 0], ["nm", "nm"]))
    done = info(tmp_path / "a.dm4")
    assert done.exit_code == 1
    assert "a.dm4: ImageList.2.ImageData.Calibrations.Dimension is 0 nm" in done.stderr


def test_json_holds_the_same_and_nothing_else_is_printed(movie: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.emd").write_bytes(b"\x89HDF\r\n\x1a\n")
    done = info("--json", tmp_path)
    told = json.loads(done.stdout)
    assert told["failed"][0]["input"].endswith("cut.emd")
    (found,) = told["files"]
    assert (found["reader"], found["micrographs"], found["shape_HW"]) == ("dm", 4, [30, 50])
    assert (found["pixel_size_nm"], found["time_step_s"], found["dtype"]) == (0.5, 0.1, "uint16")
    assert found["metadata"] == {"microscope": "Titan", "voltage_kv": 300.0}


@pytest.mark.real
def test_the_sample_data_of_particlespy() -> None:
    data = os.environ.get("EMGEN_REAL_DATA")
    if not data:
        pytest.skip("EMGEN_REAL_DATA is not set")
    done = info("--json", Path(data) / "readers")
    told = json.loads(done.stdout)
    (dm,) = [found for found in told["files"] if found["path"].endswith(".dm4")]
    assert dm["pixel_size_nm"] == pytest.approx(1.249, abs=5e-4)
    assert dm["shape_HW"] == [112, 112]
    opened = [found for found in told["files"] if found["path"].endswith(".hspy")]
    if opened:  # the package is installed
        assert opened[0]["pixel_size_nm"] == pytest.approx(8.552, abs=5e-4)
    else:
        assert "pip install emgen-rosettasciio" in told["failed"][0]["reason"]


@pytest.mark.real
def test_nothing_is_cropped_off_real_micrographs_without_a_bar() -> None:
    from emgen.data import expand_images
    from emgen.data.bars import find_bar
    from emgen.data.opening import open_file
    from emgen.host import load_host

    data = os.environ.get("EMGEN_REAL_DATA")
    if not data:
        pytest.skip("EMGEN_REAL_DATA is not set")
    folders = ("catalysts/haadf", "catalysts/bf", "msaem/images")
    paths = expand_images([str(Path(data) / folder) for folder in folders])
    assert len(paths) == 62
    assert {path.name for path in paths if find_bar(np.asarray(open_file(path, load_host())[0].image_HW))} == set()
