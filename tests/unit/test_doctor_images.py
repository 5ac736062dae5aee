"""The data doctor on single micrographs: planted faults are found, clean phantoms raise no alarm."""

from __future__ import annotations

import numpy as np
import pytest
from doctor_phantoms import (
    MODALITIES,
    POLARITY,
    broken,
    checks,
    examined,
    found,
    images,
    source,
    with_data_bar,
    with_scale_bar,
)

from emgen.data.bars import find_bands
from emgen.doctor import examine
from emgen.doctor.findings import ORDER
from emgen.doctor.marks import find_marks


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("seed", range(4))
def test_a_clean_stack_raises_no_alarm(modality: str, seed: int) -> None:
    examination = examined(images(modality, seed), polarity=POLARITY[modality])
    assert checks(examination) == set()
    assert not examination.attention


def test_a_file_that_is_of_no_use_is_a_finding_and_the_others_are_examined() -> None:
    good = images("haadf-stem")
    nan = good[1].astype(np.float32)
    nan[3, 4] = np.nan
    sources = [
        source("good", good[0]),
        broken("cut"),
        source("nan", nan),
        source("constant", np.full((64, 64), 7, np.uint8)),
        source("complex", np.ones((64, 64), np.complex64)),
        source("nothing", np.zeros((0, 5), np.uint8)),
        source("bar", with_data_bar(good[2])),
    ]
    examination = examine(sources)
    assert checks(examination) == {"unreadable", "not-finite", "constant", "unusable", "data-bar"}
    assert found(examination, "not-finite").measured == f"1 of {nan.size} pixels are NaN or infinite"
    assert found(examination, "constant").names == ("constant",)
    assert found(examination, "unreadable").severity == "error"
    assert [look.kind for look in examination.looks].count("fine") == 2
    assert [ORDER.index(f.severity) for f in examination.findings] == sorted(
        ORDER.index(f.severity) for f in examination.findings
    )


@pytest.mark.parametrize("kind", ["white", "poisson", "smooth", "gradient"])
def test_noise_without_a_specimen_is_called_empty(kind: str) -> None:
    from scipy import ndimage

    rng = np.random.default_rng(5)
    noise = rng.normal(0, 1, (320, 384))
    image = {
        "white": 120 + 15 * noise,
        "poisson": rng.poisson(6.0, noise.shape).astype(float),
        "smooth": 120 + 60 * ndimage.gaussian_filter(noise, 1.2),
        "gradient": 100 + 10 * noise + np.linspace(0, 60, 384),
    }[kind]
    examination = examined([*images("haadf-stem"), np.clip(image, 0, 255).astype(np.uint8)])
    assert found(examination, "empty").names == ("f",)


def test_a_few_particles_on_nothing_are_not_called_empty() -> None:
    rng = np.random.default_rng(2)
    rows, columns = np.ogrid[:320, :384]
    image = rng.normal(60, 8, (320, 384))
    for y, x in ((80, 90), (200, 300)):
        image[(rows - y) ** 2 + (columns - x) ** 2 < 64] += 60
    assert "empty" not in checks(examined([image.astype(np.float32)]))


@pytest.mark.parametrize(("modality", "end"), [("haadf-stem", 1), ("bf-tem", 0)])
def test_particles_cut_off_at_the_end_of_the_range_are_found(modality: str, end: int) -> None:
    cut = []
    for image in images(modality):
        clipped = np.minimum(image, np.quantile(image, 0.85)) if end else np.maximum(image, np.quantile(image, 0.15))
        cut.append(clipped.astype(np.uint8))
    examination = examined(cut, polarity=POLARITY[modality])
    saturated = found(examination, "saturated")
    assert saturated.severity == "warning"
    assert min(saturated.values.values()) >= 2  # per cent


def test_vacuum_that_is_cut_off_is_worth_a_note_only() -> None:
    image = images("haadf-stem")[0]
    image[:, :190] = 0
    examination = examined([image, *images("haadf-stem")[1:]], polarity="bright")
    assert found(examination, "background-cut-off").severity == "note"
    assert not examination.attention


def test_a_picture_of_few_grey_levels_is_found() -> None:
    examination = examined([*images("haadf-stem")[:2], images("haadf-stem")[2] // 32])
    assert found(examination, "few-levels").names == ("c",)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize(("value", "ink"), [(0, 255), (255, 0), (40, 240)])
def test_a_data_bar_is_found_at_every_edge_with_its_width(modality: str, turn: int, value: int, ink: int) -> None:
    image = np.rot90(with_data_bar(np.rot90(images(modality)[0], -turn), 30, value, ink), turn)
    bands = find_bands(np.ascontiguousarray(image, np.float32))
    assert [(band.edge, band.text) for band in bands] == [(("bottom", "right", "top", "left")[turn], True)]
    assert abs(bands[0].width - 30) <= 1


def test_a_data_bar_that_went_through_a_jpeg_file_is_found_and_an_empty_border_told_apart(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from PIL import Image

    Image.fromarray(with_data_bar(images("haadf-stem")[0])).save(tmp_path / "bar.jpg", quality=75)
    border = images("haadf-stem")[1]
    border[:12] = 0
    examination = examined([np.asarray(Image.open(tmp_path / "bar.jpg")), border, images("haadf-stem")[2]])
    assert found(examination, "data-bar").names == ("a",)
    assert found(examination, "border").names == ("b",)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("value", [0, 255])
def test_a_scale_bar_is_found_where_it_is(modality: str, value: int) -> None:
    marked = with_scale_bar(images(modality)[0], value)
    examination = examined([marked, *images(modality)[1:]])
    bar = found(examination, "scale-bar")
    assert bar.names == ("a",)
    assert bar.values["a"] == [[296, 20, 302, 90]]


def test_lettering_is_found() -> None:
    from PIL import Image, ImageDraw

    picture = Image.fromarray(images("bf-tem")[0])
    ImageDraw.Draw(picture).text((20, 290), "HAADF 200 kV", fill=255, font_size=22)
    assert any(mark.kind == "lettering" for mark in find_marks(np.asarray(picture, np.float32)))


def test_a_clipped_rod_is_no_scale_bar() -> None:
    rows, columns = np.ogrid[:320, :384]
    image = images("haadf-stem")[0].astype(np.float32)
    image[(rows - 290) ** 2 / 8**2 + (columns - 90) ** 2 / 50**2 < 1] = 255
    assert find_marks(image) == []


def test_scan_lines_of_unequal_brightness_are_noted() -> None:
    rng = np.random.default_rng(4)
    image = images("haadf-stem")[0].astype(np.float32) + rng.normal(0, 14, (320, 1))
    examination = examined([image, *images("haadf-stem")[1:]])
    assert found(examination, "scan-lines").severity == "note"


@pytest.mark.parametrize("side", [3, 17, 40])
def test_of_a_tiny_image_nothing_is_claimed(side: int) -> None:
    image = np.random.default_rng(1).integers(0, 255, (side, 2 * side)).astype(np.uint8)
    assert checks(examined([image]), notes=False) <= {"few-levels"}
