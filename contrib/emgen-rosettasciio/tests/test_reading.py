"""What comes out of a file, and what is refused, as ``emgen`` opens it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import made
import numpy as np
import pytest
from emgen_rosettasciio import plugin
from emgen_rosettasciio.reader import RosettaReader

from emgen.data.stack import open_file
from emgen.data.units import settled_pixel_size
from emgen.errors import BadImageError, DataError
from emgen.host import Host


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.from_modules([plugin])


def opened(path: Path, host: Host) -> Any:
    return open_file(path, host)


def image_file(folder: Path, **fields: Any) -> Path:
    return made.write(folder / "one.hspy", made.image_signal(made.picture(), **fields))


@pytest.mark.parametrize(
    ("scale", "units", "nm"),
    [
        (2.0, "nm", 2.0),
        (0.008552446, "µm", 8.552446),
        (0.008552446, "um", 8.552446),
        (5.0, "Å", 0.5),
        (1e-9, "m", 1.0),
        (-2.0, "nm", 2.0),
    ],
)
def test_the_pixel_size_comes_in_nanometres_from_any_unit_of_length(
    scale: float, units: str, nm: float, tmp_path: Path, host: Host
) -> None:
    (micrograph,) = opened(image_file(tmp_path, scale=scale, units=units), host)
    assert micrograph.pixel_size_nm == pytest.approx(nm)


@pytest.mark.parametrize("units", ["", "px", "<undefined>"])
def test_a_file_without_a_calibration_has_an_unknown_pixel_size(units: str, tmp_path: Path, host: Host) -> None:
    (micrograph,) = opened(image_file(tmp_path, scale=1.0, units=units), host)
    assert micrograph.pixel_size_nm is None
    assert settled_pixel_size(micrograph, None) is None


@pytest.mark.parametrize("units", ["1/nm", "eV", "mrad"])
def test_a_unit_that_is_no_length_is_refused_by_name(units: str, tmp_path: Path, host: Host) -> None:
    path = image_file(tmp_path, units=units)
    with pytest.raises(BadImageError, match=rf"one\.hspy: the scale of its image axes is 2 {units}, .*no length"):
        opened(path, host)


@pytest.mark.parametrize(("scale", "units"), [(0.0, "nm"), (float("nan"), "nm"), (1.0, "furlong")])
def test_a_size_that_cannot_be_right_needs_one_from_the_user(
    scale: float, units: str, tmp_path: Path, host: Host
) -> None:
    (micrograph,) = opened(image_file(tmp_path, scale=scale, units=units), host)
    with pytest.raises(BadImageError, match=r"one\.hspy: the scale of its image axes"):
        settled_pixel_size(micrograph, None)
    assert settled_pixel_size(micrograph, 0.3) == 0.3


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "float32", "float64"])
def test_pixels_keep_their_values_and_their_depth(dtype: str, tmp_path: Path, host: Host) -> None:
    picture = made.picture(dtype=dtype)
    (micrograph,) = opened(made.write(tmp_path / "one.hspy", made.image_signal(picture)), host)
    assert micrograph.image_HW.dtype == dtype
    np.testing.assert_array_equal(micrograph.image_HW, picture)


def test_a_stack_is_read_frame_by_frame_with_its_times(tmp_path: Path, host: Host) -> None:
    frames = made.picture((5, 20, 24))
    stack = opened(made.write(tmp_path / "movie.hspy", made.image_signal(frames)), host)
    assert [micrograph.name for micrograph in stack] == [f"movie_000{i}" for i in range(5)]
    assert [micrograph.metadata["time_s"] for micrograph in stack] == [0, 0.5, 1.0, 1.5, 2.0]
    np.testing.assert_array_equal(stack[3].image_HW, frames[3])


def test_opening_a_long_series_reads_no_pixels(tmp_path: Path, host: Host) -> None:
    """One frame of 20 GB that are not there, in a file of some kilobytes."""
    path = made.write(tmp_path / "movie.hspy", made.image_signal(made.picture((2, 64, 64))))
    with h5py.File(path, "a") as file:
        group = next(iter(file["Experiments"].values()))
        del group["data"]
        group.create_dataset("data", (10_000, 512, 512), "float64", chunks=(1, 512, 512), fillvalue=3)
        group["axis-0"].attrs["size"] = 10_000
    stack = opened(path, host)
    assert len(stack) == 10_000
    assert stack[9_999].image_HW.max() == 3


def test_title_date_and_instrument_come_along(tmp_path: Path, host: Host) -> None:
    told = {
        "General": {"title": "HAADF", "date": "2024-05-06", "time": "07:08:09"},
        "Acquisition_instrument": {"TEM": {"beam_energy": 200.0, "microscope": "JEM-ARM200F", "magnification": 80000}},
    }
    (micrograph,) = opened(image_file(tmp_path, **told), host)
    known = {"title": "HAADF", "acquired": "2024-05-06 07:08:09", "voltage_kv": 200.0, "microscope": "JEM-ARM200F"}
    assert known.items() <= micrograph.metadata.items()
    assert micrograph.metadata["magnification"] == 80000


def test_four_axes_are_refused_with_their_names(tmp_path: Path, host: Host) -> None:
    away = [made.axis(name, 3, navigate=True) for name in ("scan y", "scan x")]
    across = [made.axis(name, 8, units="1/nm") for name in ("ky", "kx")]
    path = made.write(tmp_path / "4d.hspy", made.signal(made.picture((3, 3, 8, 8)), [*away, *across]))
    with pytest.raises(BadImageError, match=r"4d\.hspy: no micrograph .* 2 navigation axes \(scan y 3, scan x 3\)"):
        opened(path, host)


def test_spectra_are_refused_with_their_axes(tmp_path: Path, host: Host) -> None:
    axes = [made.axis("position", 6, navigate=True), made.axis("Energy", 30, units="eV")]
    path = made.write(tmp_path / "line.hspy", made.signal(made.picture((6, 30)), axes))
    with pytest.raises(BadImageError, match=r"1 navigation axis \(position 6\) and 1 signal axis \(Energy 30\)"):
        opened(path, host)


def test_a_map_with_one_number_a_scan_point_is_an_image(tmp_path: Path, host: Host) -> None:
    """What HyperSpy makes of 4-D data with a virtual detector: two navigation axes and no signal axis."""
    axes = [made.axis(name, size, navigate=True) for name, size in (("y", 9), ("x", 11))]
    (micrograph,) = opened(made.write(tmp_path / "map.hspy", made.signal(made.picture((9, 11)), axes)), host)
    assert micrograph.image_HW.shape == (9, 11)
    assert micrograph.pixel_size_nm == 2


def test_of_several_signals_the_images_are_read_and_the_rest_is_named(tmp_path: Path, host: Host) -> None:
    path = made.write(tmp_path / "both.hspy", made.image_signal(made.picture()))
    spectrum = made.signal(made.picture((30,)), [made.axis("Energy", 30, units="eV")], General={"title": "EDS"})
    made.write(tmp_path / "other.hspy", spectrum)
    with h5py.File(path, "a") as file, h5py.File(tmp_path / "other.hspy") as other:
        file.copy(other["Experiments/EDS"], file["Experiments"], name="EDS")
    (micrograph,) = opened(path, host)
    (note,) = micrograph.metadata["notes"]
    assert "'EDS' with 0 navigation axes and 1 signal axis (Energy 30)" in note


def test_images_of_different_size_in_one_file_are_refused(tmp_path: Path, host: Host) -> None:
    path = made.write(tmp_path / "both.hspy", made.image_signal(made.picture((8, 8))))
    made.write(tmp_path / "other.hspy", made.image_signal(made.picture((9, 8))))
    with h5py.File(path, "a") as file, h5py.File(tmp_path / "other.hspy") as other:
        file.copy(other["Experiments/HAADF"], file["Experiments"], name="BF")
    with pytest.raises(BadImageError, match=r"both\.hspy: its images differ in size"):
        opened(path, host)


def test_true_colour_is_refused(tmp_path: Path, host: Host) -> None:
    rgb = np.zeros((6, 7), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["R"] = 200
    path = made.write(tmp_path / "rgb.hspy", made.image_signal(rgb))
    stack = opened(path, host)
    with pytest.raises(BadImageError, match="colour"):
        stack[0]


def test_half_a_file_and_another_format_are_refused_in_words(tmp_path: Path, host: Host) -> None:
    whole = image_file(tmp_path)
    half, renamed = tmp_path / "half.hspy", tmp_path / "renamed.bcf"
    half.write_bytes(whole.read_bytes()[:2000])
    renamed.write_bytes(whole.read_bytes())
    for path in (half, renamed):
        with pytest.raises(DataError, match=path.name):
            opened(path, host)


def test_a_file_written_anew_is_read_anew(tmp_path: Path, host: Host) -> None:
    stack = opened(image_file(tmp_path), host)
    before = stack[0].image_HW
    path = made.write(tmp_path / "new.hspy", made.image_signal(made.picture() + 1))
    os.utime(path, ns=(1, 1))
    os.replace(path, tmp_path / "one.hspy")
    np.testing.assert_array_equal(stack[0].image_HW, before + 1)


def test_many_open_stacks_keep_few_files_open(tmp_path: Path) -> None:
    stacks = []
    for i in range(12):
        path = made.write(tmp_path / f"{i}.hspy", made.image_signal(made.picture((8, 8))))
        stacks.append(RosettaReader().open(path))
    handles = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and _there(fd)]
    assert sum(name.endswith(".hspy") for name in handles) <= 1
    assert all(stack[0].image_HW.shape == (8, 8) for stack in stacks)


def _there(fd: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{fd}")


REAL = os.environ.get("EMGEN_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="needs the files that EMGEN_REAL_DATA points to")
@pytest.mark.parametrize(
    ("name", "nm", "side"), [("SiO2 HAADF Image.hspy", 8.552, 128), ("JEOL HAADF Image.dm4", 1.249, 112)]
)
def test_real_files_have_the_pixel_size_that_their_microscope_wrote(
    name: str, nm: float, side: int, host: Host
) -> None:
    (micrograph,) = opened(Path(str(REAL)) / "readers" / name, host)
    assert micrograph.pixel_size_nm == pytest.approx(nm, abs=5e-4)
    assert micrograph.image_HW.shape == (side, side)
    assert micrograph.image_HW.dtype == np.float32
