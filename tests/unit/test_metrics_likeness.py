"""Precision and recall, power spectra and the worth of a Fréchet distance, against references and known truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from torch_fidelity.metric_prc import prc_features_to_metric

from emgen.errors import BadImageError, NoImagesError
from emgen.stages import MetricContext
from emgen_metrics.config import FeaturesConfig, NeighbourConfig, PixelConfig
from emgen_metrics.frechet import frechet_distance
from emgen_metrics.frechet_worth import extrapolated, frechet_scores
from emgen_metrics.kid import Kid
from emgen_metrics.power_spectrum import PowerSpectrum, RadialSpectrum
from emgen_metrics.precision_recall import PrecisionRecall, shares

CONTEXT = MetricContext()


def textures(n: int, seed: int, grain: float = 1.5, contrast: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.standard_normal((n, 32, 32)), (0, grain, grain), mode="wrap")
    return (0.5 + contrast * noise / noise.std()).astype(np.float32)


@pytest.mark.parametrize(("n", "m", "k"), [(40, 30, 3), (25, 60, 5), (9, 9, 1)])
def test_precision_and_recall_are_those_of_torch_fidelity(n, m, k):
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((n, 3)) * 0.7 + 0.3, rng.standard_normal((m, 3))
    expected = prc_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), prc_neighborhood=k, save_cpu_ram=False, verbose=False
    )
    found = shares(cdist(x, x), cdist(x, y), cdist(y, y), k)
    assert found["image_precision"] == pytest.approx(expected["precision"])
    assert found["image_recall"] == pytest.approx(expected["recall"])
    assert found["image_f1"] == pytest.approx(expected["f_score"])


def test_density_and_coverage_are_their_definitions():
    rng = np.random.default_rng(1)
    x, y, k = rng.standard_normal((15, 2)), rng.standard_normal((12, 2)), 3
    reach = [sorted(np.linalg.norm(y - q, axis=1))[k] for q in y]
    inside = [[np.linalg.norm(p - q) <= radius for q, radius in zip(y, reach, strict=True)] for p in x]
    found = shares(cdist(x, x), cdist(x, y), cdist(y, y), k)
    assert found["image_density"] == pytest.approx(np.sum(inside) / (k * len(x)))
    assert found["image_coverage"] == pytest.approx(np.mean([any(column) for column in zip(*inside, strict=True)]))


def test_missing_variety_costs_recall_and_false_images_cost_precision():
    """Real images of two kinds; one kind alone, and both with a third."""
    real = np.concatenate([textures(30, 0, 1.0), textures(30, 1, 2.5)])
    one_kind = textures(60, 2, 1.0)
    invented = np.concatenate([textures(20, 3, 1.0), textures(20, 4, 2.5), textures(20, 5, 1.0, 0.15)])
    metric = PrecisionRecall(NeighbourConfig())
    lacking, false = (metric.compute(x, real, CONTEXT) for x in (one_kind, invented))
    assert lacking["image_recall"] < 0.6 < lacking["image_precision"]
    assert false["image_precision"] < 0.75 < false["image_recall"]
    assert {lacking["verdict"], false["verdict"]} == {"distinguishable"}


def test_as_many_neighbours_as_images_are_refused():
    with pytest.raises(NoImagesError, match="needs at least 6"):
        PrecisionRecall(NeighbourConfig(neighbours=5)).compute(textures(5, 0), textures(9, 1), CONTEXT)
    few = PrecisionRecall(NeighbourConfig()).compute(textures(5, 0), textures(5, 1), CONTEXT)
    assert few["verdict"] == "no verdict: too few real images"


@pytest.mark.parametrize(
    "metric", [Kid(FeaturesConfig()), PowerSpectrum(PixelConfig()), PrecisionRecall(NeighbourConfig())]
)
def test_images_of_one_kind_are_not_told_apart_and_coarser_ones_are(metric):
    real = textures(40, 0)
    assert metric.compute(textures(40, 1), real, CONTEXT)["verdict"] == "not distinguishable"
    assert metric.compute(textures(40, 2, grain=2.0), real, CONTEXT)["verdict"] == "distinguishable"


@pytest.mark.parametrize("metric", [PowerSpectrum(PixelConfig()), PrecisionRecall(NeighbourConfig())])
def test_sets_of_one_kind_are_seldom_called_different(metric):
    alarms = [
        metric.compute(textures(16, seed), textures(20, 900 + seed), MetricContext(seed=seed))["verdict"]
        for seed in range(25)
    ]
    assert alarms.count("distinguishable") <= 4


def test_twice_the_contrast_is_six_decibels():
    low, high = (RadialSpectrum().extract(textures(30, 0, 0.5, contrast=c), "cpu") for c in (0.05, 0.1))
    assert high - low == pytest.approx(np.full(low.shape, 20 * np.log10(2)), abs=0.05)
    found = PowerSpectrum().compute(textures(60, 1, 0.5, contrast=0.1), textures(60, 2, 0.5), CONTEXT)
    assert found["spectrum_db"] == pytest.approx(20 * np.log10(2), rel=0.05)
    assert found["spectrum_db_low"] < 6.02 < found["spectrum_db_high"]


def test_a_band_is_the_mean_power_of_its_ring():
    """White noise has its variance in every band."""
    noise = np.random.default_rng(0).normal(0.5, 0.1, (200, 40, 56))
    spectrum = RadialSpectrum().extract(noise, "cpu")
    assert spectrum.shape[1] > 10
    # The mean log of few frequencies is low, by 10 γ / ln 10 = 2.5 dB of a single one: the outer rings have many.
    assert spectrum.mean(0)[-6:] == pytest.approx(np.full(6, -20.0), abs=0.2)


def test_an_image_of_few_pixels_has_no_spectrum():
    with pytest.raises(BadImageError, match="8 px is the least"):
        PowerSpectrum().compute(np.zeros((3, 6, 40)), np.zeros((3, 6, 40)), CONTEXT)


def test_a_line_to_infinitely_many_images_takes_most_of_the_bias_away():
    rng = np.random.default_rng(0)
    spread = 3 / np.arange(1, 41)
    plain, infinite = [], []
    for seed in range(8):
        x, y = rng.standard_normal((100, 40)) * spread + 0.2, rng.standard_normal((150, 40)) * spread
        plain.append(frechet_distance(x, y))
        infinite.append(extrapolated(x, y, seed))
    truth = 40 * 0.2**2
    assert abs(np.mean(infinite) - truth) < 0.4 * (np.mean(plain) - truth)


def test_a_frechet_distance_stands_beside_what_real_images_score_at_the_same_number():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((60, 6)), rng.standard_normal((80, 6))
    alike, moved = (frechet_scores("fid", x + shift, y, CONTEXT) for shift in (0.0, 1.0))
    assert alike["fid"] == frechet_distance(x, y)
    assert alike["verdict"] == "not distinguishable"
    assert alike["fid_floor"] > alike["fid_same_size"] > alike["fid"]
    assert moved["verdict"] == "distinguishable"
    assert moved["fid_floor"] == alike["fid_floor"]


def test_a_frechet_distance_of_few_images_says_that_it_proves_nothing():
    x, y = np.random.default_rng(2).standard_normal((2, 6, 4))
    found = frechet_scores("fid", x, y, CONTEXT)
    assert set(found) == {"fid", "verdict"}
    assert "no verdict: fewer than 10 images a side" in str(found["verdict"])
