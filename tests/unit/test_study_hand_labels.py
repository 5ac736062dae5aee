"""Simulated hand labels: whom they miss, how they are off, and that two of them agree as two real ones do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from emgen.study.hand_labels import (
    REAL_AGREEMENT,
    Agreement,
    Annotator,
    Calibration,
    agreement,
    calibrate,
    calibration,
    label_stack,
    mean_agreement,
    read_scene,
    simulate_labels,
)
from emgen.testing.phantoms import Phantom, phantom_stack

FLAWLESS = Annotator(faintest=0, faintest_spread=0, jitter=0, bias_spread=0, merging=0, false_rate=0)
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def stack() -> list[Phantom]:
    return phantom_stack(4, (160, 160), seed=2)


@pytest.fixture(scope="module")
def fits() -> dict[int, tuple[Calibration, list[Phantom]]]:
    """Of three materials: the fit to six micrographs, and eight that it has not seen; fewer differ by themselves."""
    stacks = {seed: phantom_stack(14, (256, 256), seed=seed) for seed in SEEDS}
    return {seed: (calibration(phantoms[:6], seed), phantoms[6:]) for seed, phantoms in stacks.items()}


def discs(*places: tuple[float, float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """(label_HW, image_HW) of discs (y, x, radius, contrast) on an even background with weak noise."""
    y, x = np.mgrid[:96, :96]
    label = np.zeros((96, 96), np.int32)
    image = np.random.default_rng(0).normal(0.3, 0.02, (96, 96))
    for number, (cy, cx, radius, contrast) in enumerate(places, 1):
        inside = (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
        label[inside] = number
        image[inside] += contrast
    return label, image.astype(np.float32)


def pairs(phantoms: list[Phantom], annotator: Annotator, seed: int, count: int) -> Agreement:
    """Mean agreement of ``count`` pairs of persons who label the same stack."""
    rng = np.random.default_rng(seed)
    truth, images = [p.label_HW for p in phantoms], [p.image_HW for p in phantoms]
    labels = [label_stack(truth, images, rng, annotator) for _ in range(2 * count)]
    return mean_agreement(
        agreement(a, b)
        for one, other in zip(labels[::2], labels[1::2], strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_without_errors_the_exact_instances_come_back(stack: list[Phantom]) -> None:
    for phantom in stack:
        label = simulate_labels(phantom.label_HW, phantom.image_HW, np.random.default_rng(0), FLAWLESS)
        large = np.bincount(phantom.label_HW.ravel())[phantom.label_HW] >= 4
        assert np.array_equal(label > 0, (phantom.label_HW > 0) & large)
        assert agreement(label, phantom.label_HW).f1 == 1


def test_the_seed_decides_everything_and_the_input_stays_as_it_was(stack: list[Phantom]) -> None:
    label, image = stack[0].label_HW.copy(), stack[0].image_HW.copy()
    a, b, c = (simulate_labels(label, image, np.random.default_rng(seed), Annotator()) for seed in (4, 4, 5))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert np.array_equal(label, stack[0].label_HW)
    assert np.array_equal(image, stack[0].image_HW)
    assert a.dtype == np.int32
    assert set(np.unique(a)) == set(range(a.max() + 1))


def test_an_empty_micrograph_stays_empty_and_shapes_must_agree() -> None:
    empty, image = np.zeros((40, 50), np.int32), np.full((40, 50), 0.5, np.float32)
    assert not simulate_labels(empty, image, np.random.default_rng(0), Annotator()).any()
    with pytest.raises(ValueError, match="one \\(H, W\\) micrograph"):
        simulate_labels(empty, image.T, np.random.default_rng(0), Annotator())
    with pytest.raises(ValueError, match="none of the micrographs holds a particle"):
        calibrate([Phantom(image, empty, {})], 0)


def test_faint_particles_are_missed_first(stack: list[Phantom]) -> None:
    person = replace(FLAWLESS, faintest=1.5)
    marked, detectability = [], []
    for n, phantom in enumerate(stack):
        scene = read_scene(phantom.label_HW, phantom.image_HW)
        drawn = [
            simulate_labels(phantom.label_HW, phantom.image_HW, np.random.default_rng([n, k]), person) for k in range(6)
        ]
        for number, outline in enumerate(scene.outlines, 1):
            inside = phantom.label_HW == number
            marked.append(np.mean([(label[inside] > 0).mean() > 0.5 for label in drawn]))
            detectability.append(outline.detectability)
    rank = np.argsort(detectability)
    faint, plain = (np.array(marked)[part].mean() for part in (rank[: len(rank) // 4], rank[-len(rank) // 2 :]))
    assert faint < 0.6
    assert plain > 0.9


def test_detectability_rises_with_contrast_and_size_and_falls_with_noise_and_texture() -> None:
    label, image = discs((20, 20, 6, 0.1), (20, 70, 6, 0.3), (70, 20, 9, 0.1), (70, 70, 6, 0.1))
    image[50:90, 50:90] += np.random.default_rng(1).normal(0, 0.1, (40, 40)).astype(np.float32)
    plain, strong, large, noisy = (outline.detectability for outline in read_scene(label, image).outlines)
    assert strong > 2 * plain
    assert large > 1.2 * plain
    assert noisy < 0.7 * plain
    grain = np.kron(np.random.default_rng(2).normal(0, 0.1, (12, 12)), np.ones((8, 8))).astype(np.float32)
    assert read_scene(label, image + grain).outlines[0].detectability < 0.6 * plain


def test_a_slope_of_the_support_hides_nothing_and_dark_particles_are_seen_as_well() -> None:
    label, image = discs((20, 20, 6, 0.2), (60, 60, 6, 0.2))
    flat = [outline.detectability for outline in read_scene(label, image).outlines]
    slope = image + np.linspace(0, 1, 96, dtype=np.float32)[None]
    assert [outline.detectability for outline in read_scene(label, slope).outlines] == pytest.approx(flat, rel=0.1)
    assert [outline.detectability for outline in read_scene(label, 1 - image).outlines] == pytest.approx(flat, rel=0.01)


def test_half_of_the_particles_at_the_limit_are_marked() -> None:
    person = Annotator(faintest=2.0, steepness=4.0)
    assert person.chance(np.array([0.0, 2.0, 200.0])) == pytest.approx([0, 0.5, 1], abs=1e-6)
    assert np.all(np.diff(person.chance(np.geomspace(0.1, 50, 20))) > 0)


def test_jitter_moves_outlines_by_its_fraction_of_the_diameter() -> None:
    label, image = discs((48, 48, 20, 0.4))
    areas = []
    for seed in range(40):
        drawn = simulate_labels(label, image, np.random.default_rng(seed), replace(FLAWLESS, jitter=0.05))
        areas.append(agreement(drawn, label).foreground_iou)
    # |displacement| averages sqrt(2 / pi) * 0.05 diameters; times perimeter over area (4 / diameter) that is 0.16.
    assert np.mean(areas) == pytest.approx((1 - 0.08) / (1 + 0.08), abs=0.03)
    assert np.std(areas) > 0.005


def test_bias_enlarges_all_particles_of_a_person_alike() -> None:
    label, image = discs((25, 25, 14, 0.4), (70, 70, 8, 0.4))
    drawn = simulate_labels(label, image, np.random.default_rng(0), replace(FLAWLESS, bias=0.2, size_exponent=1.0))
    grown = np.sqrt(np.bincount(drawn.ravel())[1:] / np.bincount(label.ravel())[1:])
    assert grown == pytest.approx([1.2, 1.2], abs=0.04)


def test_one_person_keeps_habits_from_micrograph_to_micrograph(stack: list[Phantom]) -> None:
    """Sizes of one person are off in the same sense everywhere; between persons the sense differs."""
    truth, images = [p.label_HW for p in stack], [p.image_HW for p in stack]
    annotator = replace(FLAWLESS, bias_spread=0.1)
    ratio = np.array(
        [
            [np.sqrt((a > 0).sum() / (t > 0).sum()) for a, t in zip(labels, truth, strict=True)]
            for labels in (label_stack(truth, images, np.random.default_rng(seed), annotator) for seed in range(6))
        ]
    )
    assert ratio.std(axis=1).mean() < 0.3 * ratio.mean(axis=1).std()


def test_touching_particles_are_merged_more_often_the_longer_their_contact() -> None:
    label, image = discs((30, 30, 10, 0.4), (30, 45, 10, 0.4), (70, 30, 10, 0.4), (70, 49.9, 10, 0.4))
    merging = replace(FLAWLESS, merging=1.0)
    drawn = [simulate_labels(label, image, np.random.default_rng(seed), merging) for seed in range(60)]
    wide = np.mean([d[30, 25] == d[30, 52] for d in drawn])
    narrow = np.mean([d[70, 25] == d[70, 55] for d in drawn])
    assert wide > 0.5
    assert wide > narrow + 0.2


def test_false_particles_lie_on_clumps_and_never_on_particles(stack: list[Phantom]) -> None:
    inventive = replace(FLAWLESS, false_rate=0.5)
    stands_out = []
    for phantom in stack:
        drawn = simulate_labels(phantom.label_HW, phantom.image_HW, np.random.default_rng(0), inventive)
        background = phantom.label_HW == 0
        for number in range(1, drawn.max() + 1):
            inside = drawn == number
            if background[inside].all():
                around = ndimage.binary_dilation(inside, iterations=5) & ~inside & background
                stands_out.append(phantom.image_HW[inside].mean() - phantom.image_HW[around].mean())
        assert agreement(drawn, phantom.label_HW).f1 < 1
    assert len(stands_out) > 5
    assert np.mean(np.array(stands_out) > 0) > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_the_calibration_reaches_its_targets(fits: dict[int, tuple[Calibration, list[Phantom]]], seed: int) -> None:
    fit, _ = fits[seed]
    assert fit.reached.foreground_iou == pytest.approx(REAL_AGREEMENT.foreground_iou, abs=0.015)
    assert fit.reached.f1 == pytest.approx(REAL_AGREEMENT.f1, abs=0.02)
    assert fit.reached.diameter_difference == pytest.approx(REAL_AGREEMENT.diameter_difference, abs=0.01)


def test_calibrated_labels_of_unseen_micrographs_agree_as_real_ones_do(
    fits: dict[int, tuple[Calibration, list[Phantom]]],
) -> None:
    """In the mean over materials: single sets of micrographs hold more or fewer particles that are hard to see."""
    found = [pairs(unseen, fit.annotator, 7, count=4) for fit, unseen in fits.values()]
    assert [own.foreground_iou for own in found] == pytest.approx([REAL_AGREEMENT.foreground_iou] * 3, abs=0.12)
    mean = mean_agreement(found)
    assert mean.foreground_iou == pytest.approx(REAL_AGREEMENT.foreground_iou, abs=0.05)
    assert mean.f1 == pytest.approx(REAL_AGREEMENT.f1, abs=0.05)
    assert mean.diameter_difference == pytest.approx(REAL_AGREEMENT.diameter_difference, abs=0.03)
    assert mean.miou == pytest.approx(REAL_AGREEMENT.miou, abs=0.04)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_single_kind_of_error_explains_the_agreement(
    fits: dict[int, tuple[Calibration, list[Phantom]]], seed: int
) -> None:
    fit, _ = fits[seed]
    assert fit.jitter_alone.f1 > 0.95, "jitter costs matches, so F1 would not tell misses"
    assert fit.jitter_alone.foreground_iou > REAL_AGREEMENT.foreground_iou + 0.03
    assert fit.without_jitter.f1 < fit.jitter_alone.f1 - 0.04
    assert fit.without_jitter.foreground_iou > REAL_AGREEMENT.foreground_iou + 0.1
    assert fit.without_partner > 0.6


def test_other_targets_give_other_errors(stack: list[Phantom]) -> None:
    careful = calibration(stack, 0, replace(REAL_AGREEMENT, foreground_iou=0.8, f1=0.95, diameter_difference=0.03))
    assert careful.reached.foreground_iou == pytest.approx(0.8, abs=0.02)
    assert careful.reached.f1 == pytest.approx(0.95, abs=0.02)
    assert careful.residuals.keys() == {"foreground_iou", "f1", "diameter_difference"}


def test_agreement_is_symmetric_and_says_what_it_counts() -> None:
    a, _ = discs((30, 30, 10, 0.4), (70, 70, 6, 0.4))
    b, _ = discs((30, 30, 10, 0.4))
    forth, back = agreement(a, b), agreement(b, a)
    assert forth == back
    assert forth.f1 == pytest.approx(2 / 3)
    areas = np.bincount(a.ravel())
    assert forth.foreground_iou == pytest.approx(areas[1] / areas[1:].sum())
    assert forth.pixel_accuracy == pytest.approx(1 - areas[2] / a.size)
    empty = np.zeros_like(a)
    assert agreement(empty, empty) == Agreement(foreground_iou=1, f1=1, diameter_difference=0, miou=1, pixel_accuracy=1)
    assert np.isnan(agreement(a, empty).diameter_difference)


def test_the_published_figures_are_consistent_with_each_other() -> None:
    """MIoU and pixel accuracy follow from the foreground IoU where particles cover about 3 % of the pixels."""
    union = 0.03
    differ = (1 - REAL_AGREEMENT.foreground_iou) * union
    assert 1 - differ == pytest.approx(REAL_AGREEMENT.pixel_accuracy, abs=0.005)
    background = (1 - union) / (1 - union + differ)
    assert (REAL_AGREEMENT.foreground_iou + background) / 2 == pytest.approx(REAL_AGREEMENT.miou, abs=0.01)
