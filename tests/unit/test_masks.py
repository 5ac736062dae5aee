"""Mask samplers: what is set is what comes out; what was measured comes out again."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage as ndi

from emgen.errors import NoParticlesError
from emgen.particles import equivalent_diameters
from emgen.stages import Context
from emgen_masks.config import FittedParticlesConfig, RandomParticlesConfig, ShapeBankConfig
from emgen_masks.fitted_particles import FittedParticles
from emgen_masks.law import roughness_of
from emgen_masks.measured import in_touch, measure_stack, robust_bounds
from emgen_masks.outlines import area_and_centre, ellipse, facets, irregular, of_size, stamp, turned
from emgen_masks.placing import COVERED, Spacing, populate
from emgen_masks.random_particles import RandomParticles
from emgen_masks.shape_bank import ShapeBank

SIDE = (128, 128)


def by_hand(n: int, seed: int = 0, **settings) -> np.ndarray:
    sampler = RandomParticles(RandomParticlesConfig(**settings), Context())
    return sampler.sample(n, SIDE, np.random.default_rng(seed))


def fitted(labels: np.ndarray, **settings) -> FittedParticles:
    sampler = FittedParticles(FittedParticlesConfig(**settings), Context(seed=1))
    sampler.fit(labels)
    return sampler


def bank(labels: np.ndarray, **settings) -> ShapeBank:
    sampler = ShapeBank(ShapeBankConfig(**settings), Context())
    sampler.fit(labels)
    return sampler


def drawn(sampler, n: int = 40, seed: int = 3) -> np.ndarray:
    return sampler.sample(n, SIDE, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def sparse() -> np.ndarray:
    return by_hand(50, diameter=12, diameter_sd=3, density=6, touching=0)


@pytest.fixture(scope="module")
def sparse_fit(sparse: np.ndarray) -> FittedParticles:
    return fitted(sparse)


def test_outlines_have_the_area_asked_for_and_their_centre_at_the_origin() -> None:
    rng = np.random.default_rng(0)
    for outline in (ellipse(2), irregular(1.3, 0.3, rng), facets(1.2, rng)):
        area, centre = area_and_centre(turned(of_size(outline, 20), 0.7, flip=True))
        assert area == pytest.approx(np.pi * 100)
        assert np.allclose(centre, 0, atol=1e-9)


def test_the_pixels_of_an_outline_are_about_its_area() -> None:
    rng = np.random.default_rng(0)
    areas = [len(stamp(of_size(ellipse(1.5), 14), rng).ys) for _ in range(50)]
    assert np.mean(areas) == pytest.approx(np.pi * 49, rel=0.02)


@pytest.mark.parametrize("law", ["log-normal", "normal"])
def test_sizes_set_by_hand_come_out(law: str) -> None:
    masks = by_hand(60, diameter=15, diameter_sd=3, size_law=law, shapes=("ellipse",), density=3, touching=0)
    measured = measure_stack(masks, bounds=(0, 100), shapes=False)
    mean = np.average(measured.diameter_K, weights=measured.weight_K)
    assert mean == pytest.approx(15, rel=0.04)
    assert measured.diameter_K.std() == pytest.approx(3, rel=0.2)


def test_density_and_coverage_set_by_hand_come_out() -> None:
    counts = by_hand(60, density=5, diameter=10).max(axis=(1, 2))
    assert counts.mean() == pytest.approx(5e-4 * 138**2, rel=0.1)
    assert (by_hand(50, coverage=0.2) > 0).mean() == pytest.approx(0.2, rel=0.12)
    assert by_hand(3, density=0).max() == 0


def test_particles_overlap_only_where_asked() -> None:
    """Two that overlap share a long border: a particle set behind another loses part of its disc."""
    apart, overlapping = (by_hand(20, shapes=("ellipse",), aspect=1, touching=0, overlap=v) for v in (0.0, 1.0))
    assert all(len(in_touch(label)) == 0 for label in apart)
    assert np.mean([len(in_touch(label)) / label.max() for label in overlapping]) > 0.1


def test_an_overlapped_particle_stays_largely_visible() -> None:
    rng = np.random.default_rng(0)
    stamps = [stamp(of_size(ellipse(1), 16), rng) for _ in range(60)]
    label = populate(SIDE, stamps, Spacing(overlap=1.0), rng)
    inner = np.where(np.isin(label, np.unique(label[[0, -1]])), 0, label)
    inner[:, [0, -1]] = 0
    areas = np.bincount(inner[8:-8, 8:-8].ravel())[1:]
    full = np.pi * 64
    assert np.median(areas[areas > 0]) > (1 - COVERED) * full


def test_the_share_of_touching_particles_follows_the_setting() -> None:
    shares = [np.mean([len(in_touch(m)) / max(1, m.max()) for m in by_hand(30, touching=t)]) for t in (0, 0.3, 0.9)]
    assert shares[0] == 0
    assert 0.15 < shares[1] < shares[2]


def test_particles_at_the_edge_are_cut_as_in_a_real_crop() -> None:
    masks = by_hand(30, diameter=20, density=4, touching=0)
    cut = sum(len(np.unique(m[0])) - 1 for m in masks)
    inside = sum(len(np.unique(m[64])) - 1 for m in masks)
    assert cut == pytest.approx(inside, rel=0.35)


@pytest.mark.parametrize("make", [lambda labels: fitted(labels, trials=4, check_masks=10), bank])
def test_masks_are_instances_numbered_without_gaps(make, sparse: np.ndarray) -> None:
    masks = drawn(make(sparse[:10]), 5)
    assert masks.dtype == np.int32
    for mask in masks:
        assert np.array_equal(np.unique(mask), np.arange(mask.max() + 1))
        assert all(ndi.label(mask == k)[1] == 1 for k in range(1, mask.max() + 1))


def test_fitted_sizes_counts_and_distances_are_those_measured(sparse_fit: FittedParticles) -> None:
    ks = sparse_fit.report["ks"]
    assert ks["diameter"] < 0.1
    assert ks["count"] < 0.25
    assert ks["neighbour_distance"] < 0.12
    sampled, measured = sparse_fit.report["sampled"], sparse_fit.report["measured"]
    assert sampled["median_diameter_px"] == pytest.approx(measured["median_diameter_px"], rel=0.05)


def test_fitted_shapes_are_those_measured(sparse: np.ndarray) -> None:
    long = by_hand(30, aspect=2.5, shapes=("ellipse",), diameter=16, diameter_sd=2, density=4, touching=0)
    ragged = by_hand(30, aspect=1, shapes=("irregular",), irregularity=0.35, diameter=22, density=3, touching=0)
    for masks in (long, ragged):
        a, b = measure_stack(masks), measure_stack(drawn(fitted(masks, trials=4, check_masks=10)))
        assert np.median(b.aspect_K) == pytest.approx(np.median(a.aspect_K), rel=0.12)
        assert np.median(b.solidity_K) == pytest.approx(np.median(a.solidity_K), abs=0.02)


def test_fitted_contacts_are_those_measured() -> None:
    crowded = by_hand(20, touching=0.6, density=12)
    report = fitted(crowded).report
    assert report["measured"]["touching"] > 0.4
    assert report["sampled"]["touching"] == pytest.approx(report["measured"]["touching"], abs=0.12)


def test_fitted_clusters_are_those_measured() -> None:
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(40):
        stamps = [stamp(of_size(ellipse(1.1), d), rng) for d in rng.normal(9, 1, 12)]
        masks.append(populate(SIDE, stamps, Spacing(clustered=0.9, spread=9), rng))
    report = fitted(np.stack(masks)).report
    uniform = fitted(by_hand(40, diameter=9, diameter_sd=1, density=7, touching=0)).report
    assert report["measured"]["median_neighbour_distance_px"] < uniform["measured"]["median_neighbour_distance_px"]
    assert report["ks"]["neighbour_distance"] < 0.15


def test_empty_masks_stay_as_frequent_as_they_were() -> None:
    masks = by_hand(60, density=3, diameter=12)
    masks[::2] = 0
    report = fitted(masks, trials=4).report
    assert report["sampled"]["empty_masks"] == pytest.approx(report["measured"]["empty_masks"], abs=0.12)


def test_specks_and_blobs_of_a_rough_mask_are_not_learnt(sparse: np.ndarray) -> None:
    rough = sparse.copy()
    rng = np.random.default_rng(0)
    for mask in rough:
        ys, xs = rng.integers(0, 127, (2, 15))
        free = mask[ys, xs] == 0
        mask[ys[free], xs[free]] = mask.max() + 1 + np.arange(free.sum())
    rough[0] = 0
    rough[0, 5:123, 5:123] = 1
    sampler = fitted(rough, trials=4)
    assert sampler.report["dropped_as_noise"] > 50
    diameters = np.concatenate([equivalent_diameters(m[16:-16, 16:-16]) for m in drawn(sampler)])
    assert diameters.max() < 40
    assert sampler.report["measured"]["particles_per_mask"] == pytest.approx(sparse.max(axis=(1, 2)).mean(), rel=0.15)


def test_the_bounds_follow_the_sizes_and_forgive_outliers() -> None:
    sizes = np.random.default_rng(0).lognormal(np.log(20), 0.25, 500)
    low, high = robust_bounds(np.concatenate([sizes, np.full(60, 2.0), [300.0] * 20]))
    assert low < np.quantile(sizes, 0.005)
    assert high > np.quantile(sizes, 0.995)
    assert high < 100


def test_large_particles_are_not_underrated_for_being_cut_more_often() -> None:
    masks = by_hand(200, diameter=30, diameter_sd=12, shapes=("ellipse",), density=0.8, touching=0)
    measured = measure_stack(masks, bounds=(0, 200), shapes=False)
    plain = measured.diameter_K.mean()
    weighted = np.average(measured.diameter_K, weights=measured.weight_K)
    assert plain < weighted - 1
    assert weighted == pytest.approx(30, rel=0.08)


def test_some_particles_have_sizes_that_rough_masks_may_have_missed(sparse: np.ndarray) -> None:
    as_measured, wider = (
        np.concatenate([equivalent_diameters(mask) for mask in drawn(fitted(sparse, trials=2, other_sizes=share))])
        for share in (0.0, 0.3)
    )
    assert np.median(wider) == pytest.approx(np.median(as_measured), rel=0.15)
    assert np.quantile(wider, 0.97) > 1.25 * np.quantile(as_measured, 0.97)


def test_particles_larger_than_the_crop_can_still_be_learnt() -> None:
    label = np.zeros((3, 64, 64), np.int32)
    label[:, :, :40] = 1
    masks = fitted(label, trials=2, check_masks=4).sample(4, (64, 64), np.random.default_rng(0))
    assert (masks > 0).mean() > 0.1


@pytest.mark.parametrize("make", [lambda labels: fitted(labels, trials=2), bank])
@pytest.mark.parametrize("speck", [0, 1])
def test_masks_that_hold_no_particle_are_refused_with_a_way_out(make, speck: int) -> None:
    labels = np.zeros((2, 64, 64), np.int32)
    labels[0, 30, 30] = speck
    with pytest.raises(NoParticlesError, match="random-particles needs none"):
        make(labels)


def test_a_fit_survives_saving_and_is_reported_in_the_folder(sparse_fit: FittedParticles, tmp_path: Path) -> None:
    sparse_fit.save(tmp_path)
    again = FittedParticles(FittedParticlesConfig(), Context())
    again.load(tmp_path)
    assert np.array_equal(drawn(again, 4), drawn(sparse_fit, 4))
    assert json.loads((tmp_path / "fit.json").read_text()) == sparse_fit.report == again.report


def test_a_bank_survives_saving(sparse: np.ndarray, tmp_path: Path) -> None:
    sampler = bank(sparse[:10])
    sampler.save(tmp_path)
    again = ShapeBank(ShapeBankConfig(), Context())
    again.load(tmp_path)
    assert np.array_equal(drawn(again, 4), drawn(sampler, 4))


def test_the_bank_places_measured_outlines_and_no_others() -> None:
    """Crosses go in; what comes out is as unconvex as a cross, and as large."""
    label = np.zeros((4, *SIDE), np.int32)
    for k, (y, x) in enumerate([(30, 30), (30, 90), (90, 30), (90, 90)], 1):
        label[:, y - 12 : y + 13, x - 4 : x + 5] = k
        label[:, y - 4 : y + 5, x - 12 : x + 13] = k
    given, found = measure_stack(label), measure_stack(drawn(bank(label, scale=0)))
    assert np.median(found.solidity_K) == pytest.approx(np.median(given.solidity_K), abs=0.05)
    assert np.median(found.diameter_K) == pytest.approx(np.median(given.diameter_K), rel=0.04)
    assert found.count_N.mean() == pytest.approx(4, abs=0.3)


def test_a_mask_of_another_shape_holds_particles_in_proportion(sparse: np.ndarray, sparse_fit) -> None:
    rng = np.random.default_rng(0)
    for sampler in (sparse_fit, bank(sparse)):
        wide = sampler.sample(12, (128, 256), rng)
        assert wide.shape == (12, 128, 256)
        assert wide.max(axis=(1, 2)).mean() == pytest.approx(2 * sparse.max(axis=(1, 2)).mean(), rel=0.2)


def test_roughness_is_found_back_from_solidity() -> None:
    rng = np.random.default_rng(0)
    for roughness in (0.05, 0.2, 0.4):
        solidity = []
        for _ in range(30):
            piece = stamp(turned(of_size(irregular(1.2, roughness, rng), 22), rng.uniform(0, 6)), rng)
            label = np.zeros((1, 64, 64), np.int32)
            label[0, piece.ys + 32, piece.xs + 32] = 1
            solidity.append(measure_stack(label, bounds=(0, 99)).solidity_K[0])
        found = roughness_of(np.array([np.mean(solidity)]), np.array([22.0]))[0]
        assert found == pytest.approx(roughness, abs=0.06)


def test_four_hundred_masks_take_seconds(sparse_fit: FittedParticles) -> None:
    start = time.process_time()
    drawn(sparse_fit, 100)
    assert time.process_time() - start < 4  # about 0.8 s where nothing else runs
