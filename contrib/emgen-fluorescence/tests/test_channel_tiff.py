"""The reader takes one channel of a TIFF that holds several, and says which there are."""

from __future__ import annotations

from pathlib import Path

import emgen_fluorescence.plugin
import numpy as np
import pytest
import tifffile
from emgen_fluorescence.channel_tiff import ChannelTiffReader
from emgen_fluorescence.config import ChannelConfig
from pydantic import ValidationError

import emgen_readers.plugin
from emgen.data.opening import open_file
from emgen.errors import BadImageError, UnreadableFileError
from emgen.host import Host

PLANES = np.random.default_rng(0).integers(0, 60000, (2, 3, 4, 24, 32)).astype(np.uint16)
"""(T, Z, C, Y, X)."""


def read(path: Path, **settings: object) -> list[np.ndarray]:
    return [one.image_HW for one in ChannelTiffReader(ChannelConfig(**settings)).open(path)]


@pytest.fixture
def ome(tmp_path: Path) -> Path:
    path = tmp_path / "cells.ome.tif"
    metadata = {
        "axes": "TZCYX",
        "Channel": {"Name": ["DAPI", "GFP", "RFP", "Cy5"]},
        "PhysicalSizeX": 0.325,
        "PhysicalSizeY": 0.325,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeYUnit": "µm",
    }
    tifffile.imwrite(path, PLANES, metadata=metadata)
    return path


def test_a_channel_is_chosen_by_number_or_by_name_in_any_case(ome: Path) -> None:
    for channel in (1, "GFP", "gfp"):
        found = read(ome, channel=channel)
        assert len(found) == 2  # times are frames
        assert np.array_equal(found[1], PLANES[1, :, 1].max(axis=0))


@pytest.mark.parametrize(
    ("z", "wanted"),
    [("max", PLANES[0, :, 2].max(0)), ("mean", PLANES[0, :, 2].mean(0).astype("u2")), ("middle", PLANES[0, 1, 2])],
)
def test_z_planes_become_one_image(ome: Path, z: str, wanted: np.ndarray) -> None:
    assert np.array_equal(read(ome, channel=2, z=z)[0], wanted)


def test_the_pixel_size_in_micrometres_is_carried_in_nanometres(ome: Path) -> None:
    (first, _) = ChannelTiffReader(ChannelConfig(channel="RFP")).open(ome)
    assert first.pixel_size_nm == pytest.approx(325)
    assert first.metadata["notes"] == ("channel 2 of 4 read", "3 z planes made one (max)")


@pytest.mark.parametrize(("channel", "said"), [(4, "the file has 4, from 0 on"), ("DAPPI", 'Did you mean "DAPI"')])
def test_a_channel_that_is_not_there_is_refused_with_those_that_are(ome: Path, channel: object, said: str) -> None:
    with pytest.raises(BadImageError, match=r"cells\.ome\.tif") as caught:
        read(ome, channel=channel)
    assert said in str(caught.value)
    assert "DAPI" in str(caught.value)


def test_channels_of_an_imagej_file_have_the_names_of_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "imagej.tif"
    metadata = {"axes": "CYX", "Labels": ["nuclei", "membrane"], "unit": "um"}
    tifffile.imwrite(path, PLANES[0, 0, :2], imagej=True, metadata=metadata, resolution=(2.0, 2.0))
    (found,) = ChannelTiffReader(ChannelConfig(channel="membrane")).open(path)
    assert np.array_equal(found.image_HW, PLANES[0, 0, 1])
    assert found.pixel_size_nm == pytest.approx(500)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colours_of_a_colour_image_are_channels(tmp_path: Path, planar: str) -> None:
    path = tmp_path / "colour.tif"
    rgb = PLANES[0, 0, :3].astype(np.uint8)
    tifffile.imwrite(
        path, np.moveaxis(rgb, 0, -1) if planar == "contig" else rgb, photometric="rgb", planarconfig=planar
    )
    assert np.array_equal(read(path, channel="blue")[0], rgb[2])


def test_pages_without_a_name_are_frames_or_channels_as_said(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    tifffile.imwrite(path, PLANES[0, 0], photometric="minisblack")
    assert len(read(path)) == 4
    (found,) = read(path, pages="channels", channel=3)
    assert np.array_equal(found, PLANES[0, 0, 3])


def test_a_plain_micrograph_is_channel_0_and_has_no_other(tmp_path: Path) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, PLANES[0, 0, 0])
    assert np.array_equal(read(path)[0], PLANES[0, 0, 0])
    with pytest.raises(BadImageError, match="no channel 1"):
        read(path, channel=1)


def test_data_that_end_early_are_refused(ome: Path) -> None:
    ome.write_bytes(ome.read_bytes()[:-5000])
    with pytest.raises(UnreadableFileError):
        read(ome, channel=3)


@pytest.mark.parametrize("wrong", [{"channel": -1}, {"z": "min"}, {"pages": "planes"}, {"chanel": 1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ChannelConfig(**wrong)


def test_installing_it_changes_nothing_for_files_that_nobody_reads_by_it(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "pages.tif", PLANES[0, 0], photometric="minisblack")
    host = Host.from_modules([emgen_readers.plugin, emgen_fluorescence.plugin])
    assert len(open_file(tmp_path / "pages.tif", host)) == 4
    chosen = host.reading_by("tiff-channel", ChannelConfig(pages="channels"))
    assert len(open_file(tmp_path / "pages.tif", chosen)) == 1
