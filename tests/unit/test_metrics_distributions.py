"""MMD and the Fréchet distance against their formulas written out, and what they see in images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from emgen.engine.features import FeatureMemo
from emgen.errors import BadImageError, NoImagesError
from emgen.stages import MetricContext
from emgen_metrics import encoder
from emgen_metrics.classical import Classical
from emgen_metrics.config import MmdConfig, PixelConfig
from emgen_metrics.fid_encoder import FidEncoder
from emgen_metrics.frechet import frechet_distance
from emgen_metrics.mmd import Mmd, mmd2

CONTEXT = MetricContext()


def textures(n: int, seed: int, grain: float = 1.5, mean: float = 0.4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.standard_normal((n, 48, 48)), (0, grain, grain))
    return np.clip(mean + 0.1 * noise / noise.std(), 0, 1).astype(np.float32)


def test_frechet_distance_is_the_formula_with_a_matrix_root():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((60, 8)), rng.standard_normal((50, 8)) @ rng.standard_normal((8, 8)) + 0.3
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    gap = np.sum((a.mean(0) - b.mean(0)) ** 2)
    assert frechet_distance(a, b) == pytest.approx(gap + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real))


@pytest.mark.parametrize(("n", "m"), [(100, 80), (20, 70), (6, 9)])
def test_frechet_distance_is_that_of_torch_fidelity_also_with_fewer_images_than_features(n, m):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((n, 48)), rng.standard_normal((m, 48)) * 1.5 + 0.2
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (a, b)]
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    # The reference takes roots of eigenvalues that should be zero but are about 1e-15.
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)


def test_frechet_distance_of_a_set_to_itself_is_zero_and_symmetric():
    a, b = np.random.default_rng(2).standard_normal((2, 10, 30))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


def test_mmd_is_the_unbiased_double_sum():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((5, 3)) + 0.5
    median = np.median([np.linalg.norm(p - q) for p, q in itertools.combinations(y, 2)])

    def kernel(p, q):
        return np.mean([np.exp(-np.sum((p - q) ** 2) / (2 * (f * median) ** 2)) for f in (0.5, 1.0, 2.0)])

    within_x = np.mean([kernel(p, q) for p, q in itertools.permutations(x, 2)])
    within_y = np.mean([kernel(p, q) for p, q in itertools.permutations(y, 2)])
    between = np.mean([kernel(p, q) for p in x for q in y])
    assert mmd2(x, y) == pytest.approx(within_x + within_y - 2 * between)


def test_mmd_is_unbiased_and_small_for_sets_of_one_law():
    rng = np.random.default_rng(5)
    values = [mmd2(*rng.standard_normal((2, 12, 4))) for _ in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)
    assert min(values) < 0


def test_classical_features_tell_textures_apart_and_not_images_of_one_kind():
    mmd = Mmd(MmdConfig())
    real = textures(24, seed=0)
    same, coarser = (mmd.compute(x, real, CONTEXT) for x in (textures(24, seed=1), textures(24, seed=2, grain=3)))
    assert abs(same["mmd2"]) < 0.02 < 0.2 < coarser["mmd2"]
    assert "no weights" in same["features"]


def test_classical_features_exist_for_every_size():
    rng = np.random.default_rng(0)
    for shape in ((1, 16, 16), (2, 33, 70), (1, 128, 128)):
        found = Classical().extract(rng.random(shape, dtype=np.float32), "cpu")
        assert found.shape == (shape[0], 52)
        assert np.isfinite(found).all()


def test_mmd_refuses_real_images_that_are_all_alike():
    flat = np.full((4, 32, 32), 0.5, np.float32)
    with pytest.raises(BadImageError, match="all alike"):
        Mmd(MmdConfig()).compute(textures(4, 0), flat, CONTEXT)


def test_one_image_is_too_few_for_a_distribution():
    with pytest.raises(NoImagesError, match="1 generated images are too few"):
        Mmd(MmdConfig()).compute(textures(1, 0), textures(4, 1), CONTEXT)


def test_fid_encoder_is_the_frechet_distance_of_the_encoders_features(monkeypatch):
    def small(image_NHW, device="cpu"):
        return np.stack([[image.mean(), image.std(), image.max()] for image in np.asarray(image_NHW)])

    monkeypatch.setattr("emgen_npssegnet.features.encoder_features", small)
    monkeypatch.setattr(encoder, "_name", lambda: "npssegnet-encoder 0123456789ab (trained on simulated micrographs)")
    a, b = textures(9, 0), textures(8, 1, mean=0.6)
    result = FidEncoder(PixelConfig()).compute(a, b, CONTEXT)
    assert result["fid_encoder"] == pytest.approx(frechet_distance(small(a), small(b)))
    assert "simulated" in result["features"]


def test_features_are_offered_for_sharing_and_shared_ones_are_used():
    metric = Mmd(MmdConfig())
    a, b = textures(10, seed=0), textures(12, seed=1)
    (name, extract), *_ = metric.feature_extractors.items()
    shared = MetricContext(features=lambda wanted, stack: {name: extract(stack, "cpu")}[wanted])
    assert metric.compute(a, b, shared) == metric.compute(a, b, CONTEXT)
    assert name == metric.compute(a, b, CONTEXT)["features"]


def test_the_engine_extracts_each_stack_once_for_all_metrics(monkeypatch):
    seen = []
    extract = Classical.extract
    monkeypatch.setattr(
        Classical, "extract", lambda self, stack, device: seen.append(1) or extract(self, stack, device)
    )
    memo = FeatureMemo("cpu")
    a, b = textures(4, seed=101), textures(4, seed=102)
    for bandwidths in ((1.0,), (2.0,)):
        metric = Mmd(MmdConfig(bandwidths=bandwidths))
        metric.compute(a, b, MetricContext(features=memo.of(metric)))
    assert len(seen) == 2
