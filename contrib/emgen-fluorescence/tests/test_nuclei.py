"""The sampler of nuclei draws fields of view like those it has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cells import cells
from emgen_fluorescence.config import NucleiConfig
from emgen_fluorescence.nuclei import Nuclei
from pydantic import ValidationError
from scipy import ndimage

from emgen.errors import NoParticlesError
from emgen.stages import Context
from emgen_masks.measured import measure_stack

SHAPE = (256, 256)


@pytest.fixture(scope="module")
def measured() -> np.ndarray:
    return np.stack([cells(seed).label_HW for seed in range(5)])


def drawn(label_NHW: np.ndarray, n: int = 8, seed: int = 0, **settings: object) -> np.ndarray:
    sampler = Nuclei(NucleiConfig(**settings), Context())
    sampler.fit(label_NHW)
    return sampler.sample(n, SHAPE, np.random.default_rng(seed))


def test_counts_sizes_and_shapes_are_as_measured(measured: np.ndarray) -> None:
    seen, made = measure_stack(measured), measure_stack(drawn(measured))
    assert made.count_N.mean() == pytest.approx(seen.count_N.mean(), rel=0.2)
    assert np.median(made.diameter_K) == pytest.approx(np.median(seen.diameter_K), rel=0.1)
    assert np.median(made.aspect_K) == pytest.approx(np.median(seen.aspect_K), rel=0.1)


def test_about_as_many_touch_as_measured(measured: np.ndarray) -> None:
    assert measure_stack(drawn(measured)).touching == pytest.approx(measure_stack(measured).touching, abs=0.2)


def test_none_touches_where_none_is_wanted(measured: np.ndarray) -> None:
    assert measure_stack(drawn(measured, touching=0.0)).touching < 0.05


def test_nuclei_that_touch_stay_whole_and_convex(measured: np.ndarray) -> None:
    made = drawn(measured, touching=0.8)
    assert np.nanmedian(measure_stack(made).solidity_K) > 0.95
    for label_HW in made[:2]:
        for number in range(1, label_HW.max() + 1):
            assert ndimage.label(label_HW == number)[1] == 1


def test_more_deformation_makes_outlines_less_convex(measured: np.ndarray) -> None:
    soft, rough = (np.nanmean(measure_stack(drawn(measured, deformation=d)).solidity_K) for d in (0.0, 0.25))
    assert rough < soft - 0.01


def test_masks_without_a_nucleus_are_refused_in_words() -> None:
    with pytest.raises(NoParticlesError):
        drawn(np.zeros((2, *SHAPE), np.int32))


def test_what_was_fitted_travels_as_json(measured: np.ndarray, tmp_path: Path) -> None:
    sampler, again = Nuclei(NucleiConfig(), Context()), Nuclei(NucleiConfig(), Context())
    sampler.fit(measured)
    sampler.save(tmp_path / "state")
    again.load(tmp_path / "state")
    first, second = (one.sample(2, SHAPE, np.random.default_rng(3)) for one in (sampler, again))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("wrong", [{"squeeze": 0.9}, {"density": 0}, {"touching": 2}, {"deformation": -1}, {"size": 3}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        NucleiConfig(**wrong)
