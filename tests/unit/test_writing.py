"""Instances in other programs' formats: what is written is what was there, exactly, and in memory of one micrograph."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image, ImageDraw
from roifile import ImagejRoi

import emgen.writing.coco
from emgen.errors import OutputError
from emgen.files import result_path
from emgen.particles import write_labels, write_mask
from emgen.writing import FORMATS, Labelled, known_formats, write_formats
from emgen.writing.formats import open_writers
from emgen.writing.outlines import outlines
from emgen.writing.overlay import CUT, WHOLE, length_text, overlay, round_length
from emgen_readers.tiff import TiffReader


@pytest.fixture
def label_HW() -> np.ndarray:
    """A ring with an island in its hole, two discs that touch, squares of one label that meet at a corner, one cut."""
    ys, xs = np.mgrid[:60, :80]
    label = np.zeros((60, 80), np.int32)
    label[np.hypot(ys - 20, xs - 20) < 12] = 1
    label[np.hypot(ys - 20, xs - 20) < 6] = 0
    label[20, 20] = 1
    label[np.hypot(ys - 20, xs - 42) < 10] = 3
    label[np.hypot(ys - 20, xs - 60) < 9] = 4
    label[40:44, 40:44] = label[44:47, 44:48] = 7
    label[50:60, 0:9] = 300
    return label


@pytest.fixture
def one(label_HW: np.ndarray, tmp_path: Path) -> Labelled:
    image = np.random.default_rng(0).integers(0, 900, label_HW.shape).astype(np.uint16) + 1000 * (label_HW > 0)
    source = tmp_path / "in" / "a.tif"
    return Labelled(name="a", label_HW=label_HW, image_HW=image.astype(">u2"), pixel_size_nm=1.249, source=source)


def filled(loops: list[np.ndarray], shape_HW: tuple[int, ...]) -> np.ndarray:
    """Pixels whose middle lies in an odd number of the loops, which is how ImageJ fills them."""
    inside = np.zeros(shape_HW, bool)
    ys, xs = np.mgrid[: shape_HW[0], : shape_HW[1]] + 0.5
    for loop in loops:
        for (y0, x0), (y1, x1) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            if y0 != y1:
                inside ^= (ys > min(y0, y1)) & (ys < max(y0, y1)) & (xs > x0)
            assert y0 == y1 or x0 == x1
    return inside


def test_an_outline_filled_again_gives_just_the_particles_pixels(label_HW: np.ndarray) -> None:
    found = dict(outlines(label_HW))
    assert sorted(found) == [1, 3, 4, 7, 300]
    assert [len(found[label]) for label in found] == [3, 1, 1, 2, 1]
    for label, loops in found.items():
        assert np.array_equal(filled(loops, label_HW.shape), label_HW == label)


def test_random_pixels_are_outlined_exactly_too() -> None:
    label = np.random.default_rng(5).integers(0, 3, (40, 40)).astype(np.int32)
    for value, loops in outlines(label):
        assert np.array_equal(filled(loops, label.shape), label == value)


def test_a_roi_set_holds_a_region_a_particle_that_covers_its_mask(one: Labelled, tmp_path: Path) -> None:
    assert write_formats(["rois"], tmp_path, [one]) == [tmp_path / "a_rois.zip"]
    rois = ImagejRoi.fromfile(tmp_path / "a_rois.zip")
    assert [roi.name for roi in rois] == ["00001", "00003", "00004", "00007", "00300"]
    for roi in rois:
        loops = [np.asarray(part)[:, ::-1] for part in roi.coordinates(multi=True)]
        mine, true = filled(loops, one.label_HW.shape), one.label_HW == int(roi.name)
        assert (mine & true).sum() / (mine | true).sum() == 1.0
    assert rois[0].composite


def test_the_same_particles_give_the_same_roi_file(one: Labelled, tmp_path: Path) -> None:
    (first,) = write_formats(["rois"], tmp_path, [one])
    before = first.read_bytes()
    write_formats(["rois"], tmp_path, [one])
    assert first.read_bytes() == before
    assert zipfile.ZipFile(first).testzip() is None


def unrolled(segmentation: dict) -> np.ndarray:
    """COCO's run lengths as a mask, by their definition: in turn outside and inside, column after column."""
    values = np.repeat(np.arange(len(segmentation["counts"])) % 2, segmentation["counts"])
    height, width = segmentation["size"]
    return values.reshape(width, height).T.astype(bool)


def test_coco_annotations_are_the_masks_with_their_area_and_box(one: Labelled, tmp_path: Path) -> None:
    document = json.loads(write_formats(["coco"], tmp_path, [one])[0].read_text())
    assert document["categories"][0]["name"] == "particle"
    assert [annotation["label"] for annotation in document["annotations"]] == [1, 3, 4, 7, 300]
    for annotation in document["annotations"]:
        mask = unrolled(annotation["segmentation"])
        assert np.array_equal(mask, one.label_HW == annotation["label"])
        assert annotation["area"] == mask.sum()
        x, y, width, height = annotation["bbox"]
        assert mask[y : y + height, x : x + width].sum() == mask.sum()
        assert mask[y].any()
        assert mask[:, x].any()
        assert mask[y + height - 1].any()
        assert mask[:, x + width - 1].any()


def test_pycocotools_reads_the_annotations_where_it_is_installed(one: Labelled, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    loaded = coco.COCO(str(write_formats(["coco"], tmp_path, [one])[0]))
    for annotation in loaded.anns.values():
        assert np.array_equal(loaded.annToMask(annotation) > 0, one.label_HW == annotation["label"])


def test_one_coco_file_holds_all_micrographs_by_relative_path(one: Labelled, tmp_path: Path) -> None:
    empty = Labelled(name="b_0001", label_HW=0 * one.label_HW, source=tmp_path / "in" / "b.tif", frame=1)
    document = json.loads(write_formats(["coco"], tmp_path, [one, empty, one])[0].read_text())
    images = document["images"]
    assert [image["file_name"] for image in images] == ["in/a.tif", "in/b.tif", "in/a.tif"]
    assert [(image["width"], image["height"], image["frame"]) for image in images] == [
        (80, 60, 0),
        (80, 60, 1),
        (80, 60, 0),
    ]
    assert [image["pixel_size_nm"] for image in images] == [1.249, None, 1.249]
    assert [annotation["id"] for annotation in document["annotations"]] == list(range(1, 11))
    assert {annotation["image_id"] for annotation in document["annotations"]} == {1, 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco.json"]


def test_coco_of_nothing_is_still_a_coco_file(tmp_path: Path) -> None:
    document = json.loads(write_formats(["coco"], tmp_path, [])[0].read_text())
    assert (document["images"], document["annotations"]) == ([], [])


def test_what_was_added_before_a_failure_is_in_the_coco_file(one: Labelled, tmp_path: Path) -> None:
    def micrographs():
        yield one
        raise RuntimeError("the third lens fell off")

    with pytest.raises(RuntimeError):
        write_formats(["coco"], tmp_path, micrographs())
    assert len(json.loads((tmp_path / "coco.json").read_text())["annotations"]) == 5


def test_ome_zarr_holds_image_and_labels_in_nanometres(one: Labelled, tmp_path: Path) -> None:
    (path,) = write_formats(["ome-zarr"], tmp_path, [one])
    root = zarr.open_group(path, mode="r")
    ome = root.attrs["ome"]
    (multiscale,) = ome["multiscales"]
    assert ome["version"] == "0.5"
    assert [(a["name"], a["type"], a["unit"]) for a in multiscale["axes"]] == [
        ("y", "space", "nanometer"),
        ("x", "space", "nanometer"),
    ]
    assert multiscale["datasets"][0]["coordinateTransformations"][0] == {"type": "scale", "scale": [1.249, 1.249]}
    assert root["0"].dtype == np.uint16
    assert np.array_equal(root["0"][:], one.image_HW)
    assert root["labels"].attrs["ome"]["labels"] == ["particles"]
    assert root["labels/particles"].attrs["ome"]["image-label"]["source"] == {"image": "../../"}
    assert np.array_equal(root["labels/particles/0"][:], one.label_HW)


def test_the_levels_of_a_pyramid_lie_over_each_other(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=(701, 400)).astype(np.float32)
    label = (image > 1).astype(np.int32) * 5
    (path,) = write_formats(
        ["ome-zarr"], tmp_path, [Labelled(name="a", label_HW=label, image_HW=image, pixel_size_nm=0.5)]
    )
    root = zarr.open_group(path, mode="r")
    datasets = root.attrs["ome"]["multiscales"][0]["datasets"]
    assert [root[each["path"]].shape for each in datasets] == [(701, 400), (351, 200), (176, 100)]
    scale, translation = datasets[2]["coordinateTransformations"]
    assert (scale["scale"], translation["translation"]) == ([2.0, 2.0], [0.75, 0.75])
    assert root["1"][3, 5] == pytest.approx(image[6:8, 10:12].mean(), abs=1e-6)
    assert set(np.unique(root["labels/particles/2"][:])) == {0, 5}


def test_without_image_and_pixel_size_the_labels_are_the_picture(one: Labelled, tmp_path: Path) -> None:
    (path,) = write_formats(["ome-zarr"], tmp_path, [Labelled(name="a", label_HW=one.label_HW)])
    root = zarr.open_group(path, mode="r")
    assert "image-label" in root.attrs["ome"]
    assert "unit" not in root.attrs["ome"]["multiscales"][0]["axes"][0]
    assert np.array_equal(root["0"][:], one.label_HW)


def test_an_ome_zarr_is_replaced_as_a_whole(one: Labelled, tmp_path: Path) -> None:
    (path,) = write_formats(["ome-zarr"], tmp_path, [one])
    (path / "stale").touch()
    write_formats(["ome-zarr"], tmp_path, [one])
    assert not (path / "stale").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_overlays_outline_particles_and_mark_those_at_the_edge(one: Labelled, tmp_path: Path) -> None:
    (path,) = write_formats(["overlay"], tmp_path, [one])
    picture = np.asarray(Image.open(path))
    factor = picture.shape[1] // 80
    assert picture.shape == (60 * factor, 80 * factor, 3)
    assert max(picture.shape) >= 512
    orange, blue = (np.argwhere((picture == colour).all(axis=-1)) // factor for colour in (WHOLE, CUT))
    assert orange[:, 0].max() < 50
    assert blue[:, 0].min() >= 49
    assert blue[:, 1].max() <= 9


@pytest.mark.parametrize("ground", [0, 255])
def test_outlines_stand_out_from_bright_and_from_dark_ground(ground: int) -> None:
    """WCAG asks 3 : 1 of graphics; here the line, or the halo beside it, has that against the ground."""
    label = np.zeros((200, 200), np.int32)
    label[60:140, 60:140] = 1
    image = np.full((200, 200), ground, np.uint8)
    image[0, 0] = 255 - ground
    picture = np.asarray(overlay(label, image)).astype(float) / 255
    light = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
    row = light[light.shape[0] // 2]
    against = row[light.shape[1] // 8]
    ratio = (np.maximum(row, against) + 0.05) / (np.minimum(row, against) + 0.05)
    assert ratio.max() >= 3


@pytest.mark.parametrize(("size", "text"), [(0.5, "10 nm"), (1.249, "20 nm"), (50.0, "1 µm"), (None, "20 px")])
def test_the_scale_bar_is_of_a_round_length(size: float | None, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    write = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda self, at, what, **how: (drawn.append(what), write(self, at, what, **how))
    )
    label = np.zeros((100, 128), np.int32)
    picture = np.asarray(overlay(label, np.zeros((100, 128)), size))
    assert drawn == [text]
    line = max(2, picture.shape[0] // 160)
    bar = (picture[picture.shape[0] - 5 * line] == 255).all(axis=-1).sum()
    length = round_length(128 * (size or 1) * 0.2)
    assert bar == pytest.approx(length / (size or 1) * 8, abs=1)
    assert length_text(length, "nm" if size else "px") == text


def test_a_flat_image_and_one_without_particles_are_drawn(tmp_path: Path) -> None:
    flat = Labelled(name="flat", label_HW=np.zeros((9, 9), np.int32), image_HW=np.full((9, 9), np.nan))
    assert len(write_formats(list(FORMATS), tmp_path, [flat])) == 5


@pytest.mark.parametrize("size", [1.249, 0.25, 0.0123456789, 8.552, 123.4])
def test_masks_and_labels_give_their_pixel_size_back(size: float, label_HW: np.ndarray, tmp_path: Path) -> None:
    for path in (write_mask(tmp_path, "a", label_HW, size), write_labels(tmp_path, "a", label_HW, size)):
        assert TiffReader().open(path)[0].pixel_size_nm == pytest.approx(size, rel=1e-15)


def test_fiji_finds_the_unit_where_it_looks_for_it(label_HW: np.ndarray, tmp_path: Path) -> None:
    """ImageJ takes the unit out of a description that begins with its name, and pixels per unit out of the tags."""
    many = np.arange(300 * 300, dtype=np.int32).reshape(300, 300)
    for path in (write_labels(tmp_path, "few", label_HW, 0.5), write_labels(tmp_path, "many", many, 0.5)):
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            assert page.description.startswith("ImageJ=")
            assert "\nunit=nm\n" in page.description
            assert page.tags["XResolution"].value == page.tags["YResolution"].value == (2, 1)
    assert tifffile.imread(tmp_path / "many_labels.tif").dtype == np.int32


def test_without_a_pixel_size_a_mask_states_none(label_HW: np.ndarray, tmp_path: Path) -> None:
    path = write_mask(tmp_path, "a", label_HW)
    assert TiffReader().open(path)[0].pixel_size_nm is None
    with tifffile.TiffFile(path) as file:
        assert "unit" not in file.pages[0].description


@pytest.mark.parametrize("name", ["../a", "a/b", "..", ".", "", "a\\..\\b", "a\nb", "/etc/a"])
def test_no_name_leads_out_of_the_folder(name: str, one: Labelled, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot name a result"):
        result_path(tmp_path, name, "_mask.tif")
    for format in ("rois", "ome-zarr", "overlay", "zarr"):
        with pytest.raises(OutputError, match="cannot name a result"):
            write_formats([format], tmp_path, [Labelled(name=name, label_HW=one.label_HW)])
    assert list(tmp_path.iterdir()) == []


def test_dots_inside_a_name_are_harmless(tmp_path: Path) -> None:
    assert result_path(tmp_path, "a..b", ".png").parent == tmp_path


def test_an_unknown_format_is_named_with_the_nearest() -> None:
    with pytest.raises(
        OutputError, match=r'no format "cocoo" \(known: coco, ome-zarr, overlay, rois, zarr\). Did you mean "coco"'
    ):
        known_formats(["rois,cocoo"])


@pytest.mark.parametrize("format", ["rois", "overlay", "ome-zarr", "coco", "zarr"])
def test_a_folder_that_cannot_be_written_is_named(format: str, one: Labelled, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_formats([format], tmp_path / "out", [one])
    with pytest.raises(OutputError, match="cannot be written"), open_writers([format], tmp_path / "out") as writers:
        writers.add(one)


def test_a_format_that_cannot_be_finished_keeps_none_of_the_others_from_it(
    one: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers = open_writers(["overlay", "coco"], tmp_path)
    broken = writers._writers[0]
    monkeypatch.setattr(type(broken), "finish", lambda self: (_ for _ in ()).throw(OutputError("the disk is full")))
    with pytest.raises(OutputError, match="disk is full"), writers:
        writers.add(one)
    assert (tmp_path / "coco.json").exists()


def test_a_long_series_is_spooled_and_not_kept(one: Labelled, tmp_path: Path) -> None:
    writer = emgen.writing.coco.CocoWriter(tmp_path)
    for _ in range(3):
        writer.add(one)
    held = json.dumps(writer.__dict__, default=str)
    assert "counts" not in held
    assert len((tmp_path / "coco.json.annotations.partial").read_text().splitlines()) == 15
