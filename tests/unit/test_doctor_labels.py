"""Labels under the doctor: do they fit their micrographs, do they agree, and what is the human ceiling?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from doctor_phantoms import MODALITIES, stack

from emgen.api import doctor
from emgen.doctor.agreement import count_tiles, scores_of
from emgen.doctor.ceiling import human_ceiling, iou_ceiling
from emgen.doctor.fit import fit_of

Change = Callable[[Any], Any]


def write(folder: Path, modality: str = "haadf-stem", seed: int = 1, change: dict[int, Change] | None = None) -> None:
    """Three phantoms with their exact labels, some of which are changed."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for index, phantom in enumerate(stack(modality, seed)[:3]):
        tifffile.imwrite(folder / "images" / f"p{index}.tif", np.round(phantom.image_HW * 255).astype(np.uint8))
        label = (change or {}).get(index, lambda label: label)(phantom.label_HW)
        tifffile.imwrite(folder / "labels" / f"p{index}_labels.tif", label.astype(np.uint16))


def examined(folder: Path, *labels: str) -> Any:
    return doctor(folder / "images", labels=[folder / name for name in labels or ("labels",)])


def told(diagnosis: Any) -> dict[str, tuple[str, ...]]:
    return {finding.check: finding.names for finding in diagnosis.findings}


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("seed", [1, 2])
def test_exact_labels_raise_no_alarm(tmp_path: Path, modality: str, seed: int) -> None:
    write(tmp_path, modality, seed)
    assert told(examined(tmp_path)) == {}


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("label-size", lambda label: label[:-20]),
        ("label-empty", np.zeros_like),
        ("label-turned", lambda label: label[::-1]),
        ("label-shifted", lambda label: np.roll(label, (9, -6), (0, 1))),
        ("label-unrelated", lambda label: np.roll(label, (150, 190), (0, 1))),
    ],
)
@pytest.mark.parametrize("modality", MODALITIES)
def test_a_label_that_does_not_lie_on_its_micrograph_is_named(
    tmp_path: Path, modality: str, check: str, change: Change
) -> None:
    write(tmp_path, modality, change={1: change})
    assert told(examined(tmp_path)) == {check: ("p1_labels.tif",)}


def test_the_shift_of_a_label_is_measured() -> None:
    phantom = stack("haadf-stem", 1)[0]
    fit = fit_of(np.roll(phantom.label_HW, (8, -5), (0, 1)), phantom.image_HW)
    assert fit.shift_YX == pytest.approx((-8, 5), abs=1.5)


def test_particles_of_both_contrasts_in_one_label_are_told(tmp_path: Path) -> None:
    rows, columns = np.ogrid[:256, :256]
    image, label = np.full((256, 256), 100.0), np.zeros((256, 256), np.int32)
    image += np.random.default_rng(0).normal(0, 4, image.shape)
    for number in range(16):
        disc = (rows - 32 - 60 * (number // 4)) ** 2 + (columns - 32 - 60 * (number % 4)) ** 2 <= 49
        label[disc] = number + 1
        image[disc] += 80 if number % 8 < 5 else -40
    write(tmp_path)
    tifffile.imwrite(tmp_path / "images" / "p0.tif", image.astype(np.uint8))
    tifffile.imwrite(tmp_path / "labels" / "p0_labels.tif", label.astype(np.uint16))
    assert "label-contrast" in told(examined(tmp_path))


def test_a_label_that_cannot_be_read_is_told_and_micrographs_without_one_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "labels" / "p0_labels.tif").write_bytes(b"II*\0 cut off")
    (tmp_path / "labels" / "p2_labels.tif").unlink()
    assert told(examined(tmp_path)) == {"label-unreadable": ("p0_labels.tif",), "unlabelled": ("p2",)}


def test_labels_of_one_image_under_two_names_conflict_also_where_it_is_turned(tmp_path: Path) -> None:
    write(tmp_path)
    phantom = stack("haadf-stem", 1)[0]
    turned = np.rot90(np.round(phantom.image_HW * 255).astype(np.uint8))
    tifffile.imwrite(tmp_path / "images" / "again.tif", turned)
    for name, label in (("same", phantom.label_HW), ("other", labelled_by_hand(phantom.label_HW, 1))):
        tifffile.imwrite(tmp_path / "labels" / "again_labels.tif", np.rot90(label).astype(np.uint16))
        diagnosis = examined(tmp_path)
        assert ("conflicting-labels" in told(diagnosis)) == (name == "other")
        assert diagnosis.ceilings["foreground_iou"].agreement == pytest.approx(1.0) or name == "other"


def labelled_by_hand(label_HW: Any, seed: int, missed: float = 0.05, jitter: float = 0.8) -> Any:
    """Particles missed and invented at one rate, outlines that wander inwards as much as outwards."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    drawn = np.zeros_like(label_HW)
    boxes = ndimage.find_objects(label_HW)
    for number, box in enumerate(boxes, start=1):
        wide = tuple(slice(max(0, side.start - 5), side.stop + 5) for side in box)
        own = label_HW[wide] == number
        distance = ndimage.distance_transform_edt(own) - ndimage.distance_transform_edt(~own)
        wander = ndimage.gaussian_filter(rng.standard_normal(own.shape), 3)
        mask = distance + jitter * wander / wander.std() > 0
        for corner in [(wide[0].start, wide[1].start)] * (rng.random() > missed) + [_anywhere(rng, label_HW, own)] * (
            rng.random() < missed
        ):
            part = drawn[corner[0] : corner[0] + own.shape[0], corner[1] : corner[1] + own.shape[1]]
            part[mask & (part == 0)] = drawn.max() + 1
    return drawn


def _anywhere(rng: np.random.Generator, label_HW: Any, own: Any) -> tuple[int, int]:
    return tuple(int(rng.integers(whole - part)) for whole, part in zip(label_HW.shape, own.shape, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_ceiling_is_what_the_truth_scores_against_labels_made_by_hand(seed: int) -> None:
    pairs, truth = [], []
    for index, phantom in enumerate(stack("haadf-stem", seed)[:4]):
        hands = [labelled_by_hand(phantom.label_HW, 100 * seed + 2 * index + person) for person in (0, 1)]
        pairs.append(count_tiles(*hands))
        truth += [scores_of(count_tiles(phantom.label_HW, hand).sum(axis=0)) for hand in hands]
    ceilings = human_ceiling(pairs)
    for name, tolerance in {"foreground_iou": 0.035, "miou": 0.02, "object_f1": 0.035, "pixel_accuracy": 0.005}.items():
        true = float(np.mean([scores[name] for scores in truth]))
        ceiling = ceilings[name]
        assert ceiling.ceiling == pytest.approx(true, abs=tolerance), name
        assert ceiling.agreement_low < ceiling.agreement < ceiling.agreement_high
        assert ceiling.ceiling_low - 0.01 < true < ceiling.ceiling_high + 0.01
        assert ceiling.agreement < true
        assert ceiling.bound is None or true <= ceiling.bound + 1e-9


def test_agreement_of_two_hand_labels_of_haadf_gives_the_ceiling_of_the_formula() -> None:
    assert float(iou_ceiling(0.66)) == pytest.approx(0.805, abs=0.001)
    assert float(iou_ceiling(1.0)) == 1.0


def test_scores_of_two_labels_are_those_of_their_definitions() -> None:
    first, second = np.zeros((64, 80), np.int32), np.zeros((64, 80), np.int32)
    first[10:20, 10:20], first[40:50, 40:50] = 1, 2
    second[10:20, 10:22], second[5:7, 60:70] = 1, 2
    scores = scores_of(count_tiles(first, second).sum(axis=0))
    assert scores["foreground_iou"] == pytest.approx(100 / 240)
    assert scores["object_f1"] == pytest.approx(2 * 1 / 4)
    assert scores["pixel_accuracy"] == pytest.approx(1 - 140 / (64 * 80))
    areas = [np.sqrt(4 / np.pi * np.array(sizes)).mean() for sizes in ((100, 100), (120, 20))]
    assert scores["diameter_difference"] == pytest.approx((areas[0] - areas[1]) / np.mean(areas))


def test_labels_of_two_people_give_an_agreement_and_a_ceiling(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "second").mkdir()
    for index, phantom in enumerate(stack("haadf-stem", 1)[:2]):
        hand = labelled_by_hand(phantom.label_HW, index)
        tifffile.imwrite(tmp_path / "second" / f"p{index}_labels.tif", hand.astype(np.uint16))
    diagnosis = examined(tmp_path, "labels", "second")
    assert set(told(diagnosis)) == {"human-ceiling"}
    assert not diagnosis.attention
    iou = diagnosis.ceilings["foreground_iou"]
    assert iou.agreement < iou.ceiling < iou.bound < 1
    assert "human_ceiling" in diagnosis.to_dict()
