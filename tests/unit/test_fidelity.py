"""The check of label fidelity on phantoms with planted faults."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from emgen.fidelity import Judged, Limits, check, correct, counts, pass_rate, rates, sift, training_label
from emgen.stages import Polarity
from emgen.testing.fault_finding import Found, find_planted, phantoms
from emgen.testing.faults import FAULTS, Planted, plant
from emgen.testing.phantoms import Phantom

POLARITY: dict[str, Polarity] = {"haadf-stem": "bright", "bf-tem": "dark"}


@cache
def stack(modality: str = "haadf-stem", n: int = 8) -> tuple[Phantom, ...]:
    return tuple(phantoms("stack", modality, n, seed=0))


@cache
def arrays(modality: str = "haadf-stem") -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of the stack."""
    return np.stack([p.image_HW for p in stack(modality)]), np.stack([p.label_HW for p in stack(modality)])


@cache
def found(modality: str) -> Found:
    return find_planted(phantoms("stack", modality, 24, seed=2), POLARITY[modality], seed=2)


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def drawn(seed: int, contrast: float = 0.3, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """(96, 96) image of four discs on flat noise, and its labels."""
    label = np.zeros((96, 96), np.int32)
    for number, (y, x) in enumerate([(20, 20), (20, 70), (70, 20), (70, 70)], start=1):
        label[disc(label.shape, y, x, 7)] = number
    image = np.random.default_rng(seed).normal(0.4, noise, label.shape) + contrast * (label > 0)
    return np.clip(image, 0, 1).astype(np.float32), label


@pytest.mark.parametrize("modality", list(POLARITY))
def test_planted_faults_are_found(modality: str) -> None:
    for fault in ("erased", "inverted", "shifted"):
        assert found(modality).planted[fault] >= 5
        assert found(modality).recall(fault) >= 0.8, fault
    assert found(modality).recall("invented") >= 0.75


@pytest.mark.parametrize("modality", list(POLARITY))
def test_sound_particles_hardly_raise_an_alarm(modality: str) -> None:
    assert found(modality).sound > 60
    assert found(modality).false_alarms() <= 0.08


@pytest.mark.parametrize("modality", list(POLARITY))
def test_the_pass_rate_falls_with_every_kind_of_fault(modality: str) -> None:
    images, labels = arrays(modality)
    whole = pass_rate(images, labels, POLARITY[modality])
    assert whole > 0.9
    rng = np.random.default_rng(1)
    for fault in FAULTS:
        spoiled = [plant(p.image_HW, p.label_HW, {fault: 0.4}, rng).image_HW for p in stack(modality)]
        assert pass_rate(np.stack(spoiled), labels, POLARITY[modality]) < whole - 0.1, fault


def test_the_wrong_polarity_makes_every_particle_inverted() -> None:
    images, labels = arrays()
    judged = check(images, labels, "dark")
    assert sum(image.count("inverted") for image in judged) > 0.9 * sum(len(image.verdicts) for image in judged)


def test_masks_on_other_images_do_not_pass() -> None:
    images, labels = arrays()
    assert pass_rate(images[::-1], labels, "bright") < 0.5


def test_a_faint_particle_that_shows_is_sound_and_one_that_does_not_is_erased() -> None:
    image, label = drawn(0)
    image[label == 1] -= 0.22  # mean 0.08 above the noise of 0.05 over 150 pixels: faint, but there
    image[label == 2] -= 0.3
    verdicts = check(image[None], label[None], "bright")[0].verdicts
    assert verdicts[1] == "sound"
    assert verdicts[2] == "erased"


def test_a_particle_beside_its_label_is_moved_back_under_it() -> None:
    image, label = drawn(0)
    moved = np.where(label == 4, 0, label)
    moved[disc(label.shape, 70, 63, 7)] = 4
    (judged,) = check(image[None], moved[None], "bright")
    assert judged.verdicts[4] == "shifted"
    assert np.hypot(judged.moves[4][0], judged.moves[4][1] - 7) <= 2
    corrected = correct(moved, judged).label_HW
    overlap = ((corrected == 4) & (label == 4)).sum() / (label == 4).sum()
    assert overlap > 0.8


def test_a_label_that_is_a_pixel_off_passes() -> None:
    image, label = drawn(0)
    assert check(image[None], np.roll(label, 1, axis=0)[None], "bright")[0].faults == 0


def test_an_unlabelled_particle_is_found_where_it_is() -> None:
    image, label = drawn(0)
    (judged,) = check(image[None], np.where(label == 3, 0, label)[None], "bright")
    ((y, x, radius),) = judged.invented
    assert np.hypot(y - 70, x - 20) <= 2
    assert radius == pytest.approx(7, rel=0.3)


def test_particles_that_touch_or_are_cut_by_the_edge_pass() -> None:
    label = np.zeros((96, 96), np.int32)
    for number, (y, x) in enumerate([(40, 40), (40, 53), (52, 46), (0, 20), (95, 70), (30, 95)], start=1):
        label[disc(label.shape, y, x, 7) & (label == 0)] = number
    rng = np.random.default_rng(0)
    image = np.clip(rng.normal(0.4, 0.05, label.shape) + 0.3 * (label > 0), 0, 1).astype(np.float32)
    assert set(check(image[None], label[None], "bright")[0].verdicts.values()) == {"sound"}


def test_a_constant_image_shows_nothing() -> None:
    _, label = drawn(0)
    verdicts = check(np.full((1, 96, 96), 0.5, np.float32), label[None], "bright")[0].verdicts
    assert set(verdicts.values()) == {"erased"}


def test_where_no_background_is_seen_nothing_is_judged() -> None:
    label = (np.indices((64, 64)) // 8).sum(axis=0).astype(np.int32) + 1
    image = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    (judged,) = check(image[None], label[None], "bright")
    assert set(judged.verdicts.values()) == {"unknown"}
    assert rates([judged])["pass_rate"] == 1.0


def test_images_without_any_label_pass() -> None:
    empty = np.zeros((2, 64, 64), np.int32)
    assert pass_rate(np.random.default_rng(0).random((2, 64, 64)).astype(np.float32), empty, "bright") == 1.0
    assert check(empty.astype(np.float32), empty, "bright")[1].faults == 0


def test_the_same_seed_gives_the_same_verdicts_and_inputs_stay_as_they_are() -> None:
    images, labels = (array.copy() for array in arrays())
    assert check(images, labels, "bright", seed=3) == check(images, labels, "bright", seed=3)
    assert (images == arrays()[0]).all()
    assert (labels == arrays()[1]).all()


def test_a_stricter_chance_calls_more_faint_particles_erased() -> None:
    images, labels = arrays()
    strict = counts(check(0.15 * images + 0.4, labels, "bright", Limits(chance=0.001)))["erased"]
    assert strict >= counts(check(0.15 * images + 0.4, labels, "bright", Limits(chance=0.2)))["erased"]


def judged(sound: int = 0, erased: int = 0, invented: int = 0) -> Judged:
    verdicts = dict.fromkeys(range(1, sound + 1), "sound")
    verdicts |= dict.fromkeys(range(sound + 1, sound + erased + 1), "erased")
    return Judged(verdicts, {}, {}, {}, tuple((0.0, 0.0, 1.0) for _ in range(invented)))


def labels_of(images: list[Judged]) -> np.ndarray:
    return np.stack([np.arange(16, dtype=np.int32).reshape(4, 4) % (len(i.verdicts) + 1) for i in images])


def test_corrected_images_stay_and_images_with_unlabelled_particles_go() -> None:
    images = [judged(sound=4), judged(sound=3, erased=2), judged(sound=4, invented=2)]
    sifted = sift(images, labels_of(images), "correct", 0.15, 0.0)
    assert sifted.kept == (0, 1)
    assert sifted.failed == (2,)
    assert set(np.unique(training_label(labels_of(images)[1], images[1], "correct"))) == {0, 1, 2, 3}


def test_quarantine_leaves_out_every_image_with_too_many_faults_and_no_label_changes() -> None:
    images = [judged(sound=4), judged(sound=3, erased=2), judged(sound=4, invented=2)]
    assert sift(images, labels_of(images), "quarantine", 0.15, 0.0).kept == (0,)
    assert (training_label(labels_of(images)[1], images[1], "quarantine") == labels_of(images)[1]).all()


def test_a_report_keeps_all() -> None:
    images = [judged(sound=4), judged(erased=2)]
    sifted = sift(images, labels_of(images), "report", 0.15, 0.0)
    assert sifted.kept == (0, 1)
    assert sifted.failed == (1,)


def test_the_best_of_those_that_fail_are_kept_where_too_few_pass() -> None:
    images = [judged(sound=4), judged(sound=4, invented=3), judged(sound=4, invented=1), judged(sound=1, invented=3)]
    sifted = sift(images, labels_of(images), "correct", 0.15, 0.5)
    assert sifted.kept == (0, 2)
    assert sifted.spared == (2,)


def test_an_image_without_any_particle_left_is_never_kept() -> None:
    images = [judged(erased=3), judged(sound=1)]
    assert sift(images, labels_of(images), "correct", 1.0, 1.0).kept == (1,)


def test_planted_faults_are_what_they_say() -> None:
    phantom = stack()[0]
    spoiled: Planted = plant(
        phantom.image_HW, phantom.label_HW, {"erased": 0.5, "invented": 0.3}, np.random.default_rng(0)
    )
    erased = [label for label, fault in spoiled.faults.items() if fault == "erased"]
    assert erased
    for label in erased:
        own = phantom.label_HW == label
        assert not (spoiled.true_HW == label).any()
        assert spoiled.image_HW[own].mean() < phantom.image_HW[own].mean() - 0.05
    assert len(np.unique(spoiled.true_HW)) - 1 == phantom.label_HW.max() - len(erased) + len(spoiled.invented)
    assert (spoiled.label_HW == phantom.label_HW).all()


def test_mended_labels_fit_what_the_images_show() -> None:
    from emgen.testing.gated_training import label_quality

    spoiled, mended = label_quality(seed=0, n=40)
    assert spoiled < 0.75
    assert mended > spoiled + 0.1


@pytest.mark.slow
def test_training_through_the_gate_gives_a_better_model() -> None:
    """In the mean of two stacks: on the first it gains hardly anything, on the second ten points."""
    from emgen.testing.gated_training import compare

    scores = [compare(seed, which=("faulty", "gated")) for seed in (0, 100)]
    gain = [own["gated"]["miou"] - own["faulty"]["miou"] for own in scores]
    assert min(gain) > -0.02
    assert np.mean(gain) > 0.02
