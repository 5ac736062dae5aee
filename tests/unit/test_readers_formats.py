"""What readers take from each microscope format: pixels in their depth, pixel size in nm, times, where it was taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import tifffile
from microscope_files import (
    dm_image,
    noise,
    write_berkeley,
    write_dm,
    write_fei,
    write_mrc,
    write_ngff,
    write_ser,
    write_velox,
    write_zarr,
)

import emgen_readers.plugin
from emgen.data.opening import open_file, read_frame
from emgen.host import Host

SHAPE = (30, 50)


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.from_modules([emgen_readers.plugin])


def first(path: Path, host: Host) -> Any:
    return read_frame(open_file(path, host), 0, path)


def test_a_dm_file_gives_its_image_not_its_thumbnail(tmp_path: Path, host: Host) -> None:
    image = noise(*SHAPE, dtype="i2")
    for name in ("a.dm3", "a.dm4"):
        write_dm(tmp_path / name, dm_image(image, [0.0012, 0.0012], ["µm", "µm"]))
        stack = open_file(tmp_path / name, host)
        assert len(stack) == 1
        assert np.array_equal(stack[0].image_HW, image)
        assert stack[0].image_HW.dtype == np.int16
        assert stack[0].pixel_size_nm == pytest.approx(1.2)


def test_a_dm_file_without_thumbnail_is_read_too(tmp_path: Path, host: Host) -> None:
    write_dm(tmp_path / "a.dm4", dm_image(noise(*SHAPE), [2, 2], ["nm", "nm"]), thumbnail=False)
    assert len(open_file(tmp_path / "a.dm4", host)) == 1


def test_an_uncalibrated_dm_image_has_an_unknown_pixel_size_that_says_why(tmp_path: Path, host: Host) -> None:
    write_dm(tmp_path / "a.dm4", dm_image(noise(*SHAPE)))
    micrograph = first(tmp_path / "a.dm4", host)
    assert micrograph.pixel_size_nm is None
    assert "Calibrations.Dimension has no unit of length" in micrograph.metadata["pixel_size_unknown"]


def test_a_dm_movie_has_the_time_of_each_frame_and_its_microscope(tmp_path: Path, host: Host) -> None:
    tags = {"Microscope Info": {"Voltage": 300000.0, "Name": "Titan"}, "DataBar": {"Signal Name": "HAADF"}}
    movie = dm_image(noise(4, *SHAPE, dtype="f4"), [0.1, 0.1, 0.25], ["nm", "nm", "s"], tags=tags)
    write_dm(tmp_path / "movie.dm4", movie)
    stack = open_file(tmp_path / "movie.dm4", host)
    assert [m.metadata["time_s"] for m in stack] == [0, 0.25, 0.5, 0.75]
    assert [m.name for m in stack[:2]] == ["movie_0000", "movie_0001"]
    told = stack[2].metadata
    assert (told["voltage_kv"], told["microscope"], told["detector"]) == (300, "Titan", "HAADF")


def test_several_images_of_a_dm_file_are_told_by_their_titles(tmp_path: Path, host: Host) -> None:
    pictures = [dm_image(noise(*SHAPE, seed=s), [s, s], ["nm", "nm"], name=f"area {s}") for s in (1, 2)]
    write_dm(tmp_path / "a.dm4", *pictures)
    stack = open_file(tmp_path / "a.dm4", host)
    assert [(m.metadata["title"], m.pixel_size_nm) for m in stack] == [("area 1", 1), ("area 2", 2)]


@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f4"])
def test_an_mrc_stack_keeps_its_depth_and_gives_angstrom_as_nanometres(dtype: str, tmp_path: Path, host: Host) -> None:
    frames = noise(3, *SHAPE, dtype=dtype)
    write_mrc(tmp_path / "a.mrcs", frames, 3.2)
    stack = open_file(tmp_path / "a.mrcs", host)
    assert [np.array_equal(m.image_HW, f) for m, f in zip(stack, frames, strict=True)] == [True] * 3
    assert stack[0].image_HW.dtype == np.dtype(dtype)
    assert stack[0].pixel_size_nm == pytest.approx(0.32)


def test_an_mrc_header_without_a_cell_leaves_the_pixel_size_unknown(tmp_path: Path, host: Host) -> None:
    write_mrc(tmp_path / "a.mrc", noise(*SHAPE, dtype="i2"))
    assert first(tmp_path / "a.mrc", host).pixel_size_nm is None


def test_bytes_of_imod_are_unsigned_where_its_flag_says_so(tmp_path: Path, host: Host) -> None:
    bright = np.full(SHAPE, -56, np.int8)  # 200 if unsigned
    bright[0] = 5
    write_mrc(tmp_path / "a.st", bright)
    with mrcfile.mmap(tmp_path / "a.st", "r+") as file:
        extra = bytearray(bytes(file.header.extra2))
        extra[40:44] = (1146047817).to_bytes(4, "little")
        file.header.extra2 = bytes(extra)
    image = first(tmp_path / "a.st", host).image_HW
    assert (image.dtype, image.max()) == (np.uint8, 200)


def test_sections_of_a_volume_are_micrographs_and_a_note_says_so(tmp_path: Path, host: Host) -> None:
    write_mrc(tmp_path / "a.rec", noise(3, *SHAPE, dtype="i2"), 2.0, ispg=1)
    stack = open_file(tmp_path / "a.rec", host)
    assert len(stack) == 3
    assert "calls it a volume" in stack[0].metadata["notes"][0]


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4"])
def test_a_ser_series_keeps_depth_orientation_and_times(dtype: str, tmp_path: Path, host: Host) -> None:
    frames = [noise(*SHAPE, dtype=dtype, seed=s) for s in range(3)]
    write_ser(tmp_path / "a_1.ser", frames, 2.5e-10, times=[1000, 1002, 1004])
    stack = open_file(tmp_path / "a_1.ser", host)
    assert [np.array_equal(m.image_HW, f) for m, f in zip(stack, frames, strict=True)] == [True] * 3
    assert stack[0].image_HW.dtype == np.dtype(dtype)
    assert stack[0].pixel_size_nm == pytest.approx(0.25)
    assert [m.metadata["time_s"] for m in stack] == [0, 2, 4]


def test_a_ser_series_that_was_stopped_tells_how_many_were_recorded(tmp_path: Path, host: Host) -> None:
    write_ser(tmp_path / "a_1.ser", [noise(*SHAPE)] * 2, total=5)
    assert first(tmp_path / "a_1.ser", host).metadata["notes"] == ("2 of 5 elements were recorded",)


def test_a_damaged_emi_file_beside_a_ser_file_does_no_harm(tmp_path: Path, host: Host) -> None:
    write_ser(tmp_path / "a_1.ser", [noise(*SHAPE)])
    (tmp_path / "a.emi").write_bytes(b"nothing <ObjectInfo> of <b use </ObjectInfo>")
    assert first(tmp_path / "a_1.ser", host).pixel_size_nm == pytest.approx(0.2)


def test_a_velox_series_has_pixel_size_times_detector_and_voltage(tmp_path: Path, host: Host) -> None:
    frames = noise(4, *SHAPE)
    write_velox(tmp_path / "a.emd", frames, side_m=(1.5e-10, 1.5e-10), frame_time=0.4)
    stack = open_file(tmp_path / "a.emd", host)
    assert all(np.array_equal(m.image_HW, f) for m, f in zip(stack, frames, strict=True))
    assert stack[0].pixel_size_nm == pytest.approx(0.15)
    assert [m.metadata["time_s"] for m in stack] == pytest.approx([0, 0.4, 0.8, 1.2])
    told = stack[1].metadata
    assert (told["detector"], told["voltage_kv"], told["microscope"]) == ("HAADF", 200, "Talos-F200X")


def test_images_of_several_velox_detectors_are_told_apart(tmp_path: Path, host: Host) -> None:
    write_velox(tmp_path / "a.emd", noise(1, *SHAPE), noise(1, *SHAPE, seed=1))
    stack = open_file(tmp_path / "a.emd", host)
    assert [m.metadata["detector"] for m in stack] == ["HAADF", "BF"]


@pytest.mark.parametrize(
    ("axes", "units"),
    [((4, *SHAPE), ("s", "nm", "nm")), ((*SHAPE, 4), ("nm", "nm", "s")), ((4, *SHAPE), ("s", "[n_m]", "[n_m]"))],
)
def test_a_berkeley_series_is_read_along_whichever_axis_is_no_length(axes, units, tmp_path: Path, host: Host) -> None:
    data = noise(*axes)
    steps = [0.2 if unit == "s" else 0.3 for unit in units]
    write_berkeley(tmp_path / "a.emd", data, steps, units)
    stack = open_file(tmp_path / "a.emd", host)
    assert len(stack) == 4
    assert np.array_equal(stack[3].image_HW, data[3] if axes[0] == 4 else data[..., 3])
    assert stack[3].pixel_size_nm == pytest.approx(0.3)
    assert stack[3].metadata["time_s"] == pytest.approx(0.6)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_ome_zarr_series_of_either_zarr_version_is_one_input(version: str, tmp_path: Path, host: Host) -> None:
    frames = noise(3, *SHAPE)
    axes = [("t", "millisecond"), ("y", "micrometer"), ("x", "micrometer")]
    write_ngff(tmp_path / "a.ome.zarr", frames, axes, [40, 0.0005, 0.0005], version=version)
    stack = open_file(tmp_path / "a.ome.zarr", host)
    assert all(np.array_equal(m.image_HW, f) for m, f in zip(stack, frames, strict=True))
    assert stack[0].pixel_size_nm == pytest.approx(0.5)
    assert [m.metadata["time_s"] for m in stack] == pytest.approx([0, 0.04, 0.08])


def test_axes_of_length_one_do_not_make_an_ome_zarr_image_a_series(tmp_path: Path, host: Host) -> None:
    axes = [("t", None), ("c", None), ("z", None), ("y", "angstrom"), ("x", "angstrom")]
    write_ngff(tmp_path / "a.zarr", noise(1, 1, 1, *SHAPE), axes, [1, 1, 1, 4, 4])
    stack = open_file(tmp_path / "a.zarr", host)
    assert len(stack) == 1
    assert stack[0].image_HW.shape == SHAPE
    assert stack[0].pixel_size_nm == pytest.approx(0.4)


@pytest.mark.parametrize("name", ["a.zarr", "a.ozx"])
def test_a_plain_zarr_array_is_read_from_a_folder_and_from_a_zip_file(name: str, tmp_path: Path, host: Host) -> None:
    frames = noise(2, *SHAPE)
    write_zarr(tmp_path / name, frames)
    stack = open_file(tmp_path / name, host)
    assert np.array_equal(stack[1].image_HW, frames[1])
    assert stack[1].metadata["pixel_size_unknown"] == "the store states no scale"


def test_a_fei_tiff_tells_voltage_and_microscope(tmp_path: Path, host: Host) -> None:
    write_fei(tmp_path / "a.tif", noise(100, 50, dtype="u1"), rows=100)
    told = first(tmp_path / "a.tif", host)
    assert (told.metadata["voltage_kv"], told.metadata["microscope"]) == (5, "Helios")
    assert told.pixel_size_nm == pytest.approx(0.32)


def test_a_tiff_of_digitalmicrograph_has_its_scale_in_private_tags(tmp_path: Path, host: Host) -> None:
    tags = [
        (65003, "s", 3, "nm", True),
        (65004, "s", 3, "nm", True),
        (65009, "d", 1, 0.21, True),
        (65010, "d", 1, 0.21, True),
    ]
    tifffile.imwrite(tmp_path / "a.tif", noise(*SHAPE), extratags=tags)
    assert first(tmp_path / "a.tif", host).pixel_size_nm == pytest.approx(0.21)


def test_a_zeiss_tiff_has_its_pixel_size_voltage_and_detector(tmp_path: Path, host: Host) -> None:
    text = "AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 1.25 nm\r\nAP_MANUALKV\r\nEHT Target = 3.00 kV\r\n"
    text += "DP_DETECTOR_CHANNEL\r\nSignal A = InLens\r\n"
    tifffile.imwrite(tmp_path / "a.tif", noise(*SHAPE), extratags=[(34118, "s", len(text) + 1, text, True)])
    told = first(tmp_path / "a.tif", host)
    assert told.pixel_size_nm == pytest.approx(1.25)
    assert (told.metadata["voltage_kv"], told.metadata["detector"]) == (3, "InLens")


def test_values_shown_inverted_are_taken_as_stored_and_told(tmp_path: Path, host: Host) -> None:
    image = noise(*SHAPE, dtype="u1")
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite")
    told = first(tmp_path / "a.tif", host)
    assert np.array_equal(told.image_HW, image)
    assert "0 as white" in told.metadata["notes"][0]


def test_an_imagej_movie_and_an_ome_series_have_the_time_of_each_frame(tmp_path: Path, host: Host) -> None:
    frames = noise(3, *SHAPE)
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.5, "unit": "nm"})
    ome = {"axes": "TYX", "TimeIncrement": 200, "TimeIncrementUnit": "ms"}
    tifffile.imwrite(tmp_path / "b.ome.tif", frames, ome=True, metadata=ome)
    assert [m.metadata["time_s"] for m in open_file(tmp_path / "a.tif", host)] == [0, 0.5, 1]
    assert [m.metadata["time_s"] for m in open_file(tmp_path / "b.ome.tif", host)] == pytest.approx([0, 0.2, 0.4])


def test_reading_runs_no_part_of_ncempy_but_its_io_modules() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from emgen_readers.ncempy_io import ncempy_io; [ncempy_io(n) for n in ('dm', 'ser', 'emd')];"
        "print([m for m in sys.modules if m.split('.')[0] in ('ncempy', 'matplotlib')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
