"""Labels of a whole series in one Zarr array: in any order, again, from several processes, on object storage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

import emgen_modalities.plugin
import emgen_readers.plugin
from emgen.api import segment, track
from emgen.errors import BadImageError, OutputError, PreflightError
from emgen.host import Host, use_host
from emgen.model import Model, Segmentation
from emgen.writing import Labelled, StackOf
from emgen.writing.zarr_stacks import ZarrStacksWriter, remove_stacks
from emgen_readers.ngff import ZarrReader

STACK = StackOf("series", 3, (4, 6))


def frame(number: int, shape_HW: tuple[int, int] = (4, 6)) -> Labelled:
    label_HW = np.full(shape_HW, number + 1, np.int32)
    return Labelled(name=f"series_{number}", label_HW=label_HW, pixel_size_nm=0.5, frame=number, stack=STACK)


def read(folder: Path) -> np.ndarray:
    return np.asarray(zarr.open_array(folder / "series_labels.zarr" / "0", mode="r")[:])


def test_frames_come_in_any_order_twice_and_from_several_writers(tmp_path: Path) -> None:
    first, second = ZarrStacksWriter(tmp_path), ZarrStacksWriter(tmp_path)
    for writer, number in ((second, 2), (first, 0), (second, 0), (first, 2)):
        assert writer.add(frame(number)) == [tmp_path / "series_labels.zarr"]
    assert read(tmp_path)[:, 0, 0].tolist() == [1, 0, 3]
    assert first.paths("series_2", STACK) == [tmp_path / "series_labels.zarr"]


def test_each_frame_is_one_chunk_and_is_read_with_its_pixel_size(tmp_path: Path) -> None:
    writer = ZarrStacksWriter(tmp_path)
    for number in range(3):
        writer.add(frame(number))
    chunks = [path for path in (tmp_path / "series_labels.zarr" / "0" / "c").rglob("*") if path.is_file()]
    assert len(chunks) == 3
    frames = ZarrReader().open(tmp_path / "series_labels.zarr")
    assert len(frames) == 3
    assert frames[1].pixel_size_nm == 0.5
    assert np.array_equal(frames[1].image_HW, frame(1).label_HW)


def test_a_smaller_frame_ends_in_background_and_a_larger_one_is_refused(tmp_path: Path) -> None:
    writer = ZarrStacksWriter(tmp_path)
    writer.add(frame(1, (3, 6)))
    assert read(tmp_path)[1, :, 0].tolist() == [2, 2, 2, 0]
    with pytest.raises(BadImageError, match=r"5 x 6 px.*EMGEN_DATA_BARS=keep"):
        writer.add(frame(0, (5, 6)))


def test_a_store_of_another_shape_is_not_written_into(tmp_path: Path) -> None:
    ZarrStacksWriter(tmp_path).add(frame(0))
    longer = replace(frame(0), stack=replace(STACK, frames=5))
    with pytest.raises(OutputError, match="stands already"):
        ZarrStacksWriter(tmp_path).add(longer)
    remove_stacks(tmp_path, ["series", "never-was"])
    ZarrStacksWriter(tmp_path).add(longer)
    assert len(read(tmp_path)) == 5


def test_a_micrograph_alone_is_a_stack_of_one(tmp_path: Path) -> None:
    ZarrStacksWriter(tmp_path).add(Labelled(name="a", label_HW=frame(0).label_HW, frame=7))
    assert zarr.open_array(tmp_path / "a_labels.zarr" / "0", mode="r").shape == (1, 4, 6)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_stacks_go_to_any_storage_that_fsspec_opens(kind: str, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    place = f"memory://{tmp_path.name}" if kind == "memory" else f"file://{tmp_path}/there"
    writer = ZarrStacksWriter(tmp_path, place)
    assert [writer.add(frame(number)) for number in range(3)] == [[], [], []]
    store = zarr.storage.FsspecStore.from_url(f"{place}/series_labels.zarr")
    assert zarr.open_array(store, path="0", mode="r")[:, 0, 0].tolist() == [1, 2, 3]
    remove_stacks(place, ["series"])
    assert not fsspec.core.url_to_fs(place)[0].exists(f"{place}/series_labels.zarr")
    with pytest.raises(PreflightError, match=r"nowhere.*cannot be opened"):
        ZarrStacksWriter(tmp_path, "nowhere://a").add(frame(0))


class Bright(Model):
    """Everything over half the range is one particle."""

    def __init__(self) -> None:
        info = {"task": "bright", "modality": "haadf-stem", "polarity": "bright", "working_diameter": 9.0}
        super().__init__(task=None, info=info)

    def segment(self, image_HW, factors=None) -> Segmentation:
        return Segmentation(label_HW=(image_HW > 0.5).astype(np.int32), probability_HW=image_HW, factor=1.0)


def movie(frames: int) -> np.ndarray:
    """One disc that goes to the right."""
    ys, xs = np.mgrid[:40, :90]
    noise = np.random.default_rng(0).integers(0, 60, (frames, 40, 90))
    discs = [2000 * (np.hypot(ys - 20, xs - 20 - 3 * number) < 8) for number in range(frames)]
    return (noise + np.array(discs)).astype(np.uint16)


def test_a_segmented_series_in_one_store_is_tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emgen.sizes.write.draw", lambda *parts: [])
    tifffile.imwrite(tmp_path / "film.tif", movie(6), photometric="minisblack")
    with use_host(Host.from_modules([emgen_readers.plugin, emgen_modalities.plugin])):
        first = segment(Bright(), tmp_path / "film.tif", tmp_path / "out", write=["zarr"])
        tifffile.imwrite(tmp_path / "film.tif", movie(5), photometric="minisblack")
        result = segment(Bright(), tmp_path / "film.tif", tmp_path / "out", write=["zarr"])
        assert (len(first.files), len(result.files)) == (6, 5)
        assert [record["labels_frame"] for record in result.files] == list(range(5))
        assert not list((tmp_path / "out").glob("*.tif"))
        followed = track(tmp_path / "out", tmp_path / "tracks")
        elsewhere = segment(
            Bright(), tmp_path / "film.tif", tmp_path / "other", write=["zarr"], labels_to="memory://labels"
        )
    assert followed.summary["frames"] == 5
    assert elsewhere.files[0]["labels"] == "memory://labels/film_labels.zarr"
