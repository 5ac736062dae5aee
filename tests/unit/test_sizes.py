"""Size distributions: statistics, corrections, intervals, laws, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from emgen.errors import DataError, ModelError
from emgen.particles import measure
from emgen.sizes import Response, SizeSample, read_response, sample_from_table, size_distribution, write_sizes
from emgen.sizes.bootstrap import levels, replicates
from emgen.sizes.border import LEAST_CHANCE, border_weights
from emgen.sizes.fits import fit_laws
from emgen.sizes.intervals import studentised
from emgen.sizes.response import FILE, measure_response, write_response
from emgen.sizes.statistics import NAMES, log_moments, quantiles, statistics
from emgen.testing.size_coverage import Law

ONE = np.ones


def drawn(n: int, seed: int = 0, median: float = 10.0, sigma: float = 0.3) -> np.ndarray:
    return median * np.exp(sigma * np.random.default_rng(seed).standard_normal(n))


def sample(d: np.ndarray, micrographs: int = 4, field: float = 1000.0, scale: float = np.nan) -> SizeSample:
    return SizeSample(
        diameter_K=d,
        box_K2=np.c_[d, d],
        micrograph_K=np.arange(len(d)) % micrographs,
        field_J2=np.full((micrographs, 2), field),
        scale_J=np.full(micrographs, scale),
        unit="px",
    )


def response(recall: float = 1.0, bias: float = 1.0, noise: float = 0.0, invented: int = 0, seed: int = 0) -> Response:
    """Of 2000 particles; recall falls to a half of the given one at small sizes."""
    rng = np.random.default_rng(seed)
    true = drawn(2000, seed, 12.0, 0.4)
    hit = rng.random(2000) < recall * (1 - 0.5 / (1 + (true / 9) ** 6))
    found = np.where(hit, true * bias * np.exp(noise * rng.standard_normal(2000)), np.nan)
    return Response(
        true_T=true,
        found_T=found,
        image_T=np.arange(2000) % 50,
        invented_P=drawn(invented, seed + 1, 5.0, 0.2),
        invented_image_P=np.arange(invented) % 50,
        images=50,
    )


# Statistics


def test_the_means_are_those_of_iso_9276_2() -> None:
    d, w = np.array([1.0, 2.0, 4.0]), np.array([2.0, 1.0, 1.0])
    found = statistics(d, w)
    assert found["mean"] == pytest.approx((2 + 2 + 4) / 4)
    assert found["mean_area"] == pytest.approx((2 + 8 + 64) / (2 + 4 + 16))
    assert found["mean_volume"] == pytest.approx((2 + 16 + 256) / (2 + 8 + 64))
    assert found["polydispersity"] == pytest.approx(found["mean_volume"] / found["mean"])


def test_a_weight_of_two_is_two_particles() -> None:
    twice = statistics(np.array([1.0, 1.0, 3.0, 5.0]), ONE(4))
    weighted = statistics(np.array([1.0, 3.0, 5.0]), np.array([2.0, 1.0, 1.0]))
    for name in ("mean", "mean_area", "mean_volume", "polydispersity"):
        assert weighted[name] == pytest.approx(twice[name])


def test_the_standard_deviation_is_the_unbiased_one() -> None:
    d = drawn(20)
    assert statistics(d, ONE(20))["sd"] == pytest.approx(np.std(d, ddof=1))


def test_quantiles_are_those_of_numpy_by_hazens_rule() -> None:
    d = drawn(101)
    assert quantiles(d, ONE(101), (0.1, 0.5, 0.9)) == pytest.approx(np.quantile(d, (0.1, 0.5, 0.9), method="hazen"))


def test_all_statistics_tend_to_those_of_the_law() -> None:
    law = Law(10.0, 0.3)
    found, truth = statistics(drawn(400_000), ONE(400_000)), law.truth()
    assert found == pytest.approx(truth, rel=0.01)


def test_no_particle_gives_no_number() -> None:
    found = statistics(np.zeros(0), np.zeros(0))
    assert list(found) == list(NAMES)
    assert np.isnan(list(found.values())).all()


def test_the_linearised_errors_are_those_of_repeated_samples() -> None:
    repeats = [log_moments(drawn(400, seed), ONE(400)) for seed in range(400)]
    for name in ("mean", "sd", "cv", "mean_area"):
        spread = np.std([one[name][0] for one in repeats])
        assert np.mean([one[name][1] for one in repeats]) == pytest.approx(spread, rel=0.15), name


# Border


def test_border_weights_undo_the_loss_of_large_particles_at_the_edge() -> None:
    rng = np.random.default_rng(3)
    d = drawn(60_000, 1, 12.0, 0.5)
    centre = rng.uniform(-100, 200, (len(d), 2))
    inside = ((centre - d[:, None] / 2 > 0) & (centre + d[:, None] / 2 < 100)).all(axis=1)
    kept = d[inside]
    weights = border_weights(np.c_[kept, kept], np.full((len(kept), 2), 100.0))
    truth = statistics(d, ONE(len(d)))["mean"]
    assert statistics(kept, ONE(len(kept)))["mean"] < 0.95 * truth
    assert statistics(kept, weights)["mean"] == pytest.approx(truth, rel=0.02)


def test_a_particle_as_large_as_the_field_has_a_bounded_weight() -> None:
    assert border_weights(np.array([[100.0, 5.0]]), np.array([[100.0, 100.0]])).tolist() == [1 / LEAST_CHANCE]


# Bootstrap


def test_like_micrographs_have_no_levels_and_unlike_ones_have() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(6), 50)
    noise = 0.3 * rng.standard_normal(300)
    shifts = np.array([-0.3, 0.2, 0.3, -0.2, 0.1, -0.1])
    assert levels(noise, group, ONE(300), 6).sd < 0.06
    found = levels(noise + shifts[group], group, ONE(300), 6)
    assert found.sd == pytest.approx(np.std(shifts, ddof=1), rel=0.25)
    assert np.corrcoef(found.level_J, shifts)[0, 1] > 0.95


def test_a_replicate_draws_as_many_particles_from_each_micrograph_as_it_has() -> None:
    group = np.array([0, 2, 2, 1, 2, 0])
    for chosen, shift in replicates(np.log(drawn(6)), group, ONE(6), 3, 20, seed=1):
        assert np.bincount(group[chosen]).tolist() == [2, 1, 3]
        assert len(shift) == 6


def test_one_micrograph_can_be_drawn_from() -> None:
    draws = list(replicates(np.log(drawn(5)), np.zeros(5, int), ONE(5), 1, 3, seed=0))
    assert all((shift == 0).all() for _, shift in draws)


@pytest.mark.parametrize("micrographs", [2, 3])
def test_few_micrographs_that_differ_give_an_interval_and_two_say_what_it_lacks(micrographs: int) -> None:
    sizes = [drawn(4, k, median, 0.1) for k, median in enumerate((5.0, 20.0, 10.0)[:micrographs])]
    d = np.concatenate(sizes)
    few = SizeSample(
        diameter_K=d,
        box_K2=np.c_[d, d],
        micrograph_K=np.repeat(np.arange(micrographs), 4),
        field_J2=np.full((micrographs, 2), 1000.0),
        scale_J=np.full(micrographs, np.nan),
        unit="px",
    )
    found = size_distribution(few, laws=False)
    mean = found.variants["border"].estimates["mean"]
    assert 0 < mean.low < mean.value < mean.high
    assert any("fewer than 3 micrographs" in note for note in found.notes) == (micrographs == 2)
    assert (mean.low < 7 and mean.high > 17) == (micrographs == 3)


def test_intervals_are_as_wide_as_the_spread_of_repeated_samples() -> None:
    """Over micrographs that differ: an interval that takes particles for independent would hold 60 % of the truths."""
    law, held = Law(10.0, 0.25, 0.15), 0
    for seed in range(60):
        rng = np.random.default_rng([7, seed])
        level = 0.15 * rng.standard_normal(8)
        d = 10 * np.exp(level[np.arange(400) % 8] + 0.25 * rng.standard_normal(400))
        found = size_distribution(sample(d, 8), replicates=200, seed=seed, laws=False)
        one = found.variants["measured"].estimates["mean"]
        held += one.low <= law.truth()["mean"] <= one.high
    assert held >= 51


def test_the_studentised_interval_leans_to_the_side_of_the_rare_large_particles() -> None:
    rng = np.random.default_rng(0)
    logs = rng.normal(0, 0.1, 2000)
    errors = 0.1 * np.exp(2 * logs)  # a low value comes with a small error
    low, high = studentised(0.0, 0.1, logs.tolist(), errors.tolist())
    assert high - 1 > 1 - low


# Response


def test_the_response_counts_found_missed_and_invented_particles() -> None:
    true, pred = np.zeros((2, 60, 60), np.int32)
    true[10:20, 10:20], true[10:20, 40:50], true[0:6, 25:31] = 1, 2, 3
    pred[11:19, 10:20], pred[40:45, 40:45] = 5, 6
    found = measure_response([(pred, true), (pred * 0, true)])
    assert found.images == 2
    assert found.image_T.tolist() == [0, 0, 1, 1]  # the particle at the edge does not count
    assert np.isfinite(found.found_T).tolist() == [True, False, False, False]
    assert found.found_T[0] == pytest.approx(np.sqrt(4 / np.pi * 80))
    assert found.invented_P.tolist() == pytest.approx([np.sqrt(4 / np.pi * 25)])


def test_the_response_survives_its_file_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    before = response(0.8, invented=20)
    write_response(tmp_path, before)
    after = read_response(tmp_path)
    assert after is not None
    assert np.allclose(after.true_T, before.true_T, atol=1e-3)
    assert np.isnan(after.found_T).sum() == np.isnan(before.found_T).sum()
    (tmp_path / FILE).write_text('{"format": 1}')
    with pytest.raises(ModelError, match=r"response\.json"):
        read_response(tmp_path)
    assert read_response(tmp_path / "elsewhere") is None


def test_recall_size_bias_and_noise_are_taken_out() -> None:
    true = drawn(4000, 5, 11.0, 0.3)
    rng = np.random.default_rng(9)
    hit = rng.random(4000) < 1 - 0.5 / (1 + (true / 9) ** 6)
    found = (true * 1.1 * np.exp(0.15 * rng.standard_normal(4000)))[hit]
    both = size_distribution(sample(found, scale=1.0), response(1.0, 1.1, 0.15), replicates=50, laws=False)
    truth = statistics(true, ONE(4000))
    raw, corrected = (both.variants[name].estimates for name in ("measured", "detection"))
    for name in ("mean", "sd", "d10", "d90"):
        assert abs(raw[name].value / truth[name] - 1) > 0.06, name
        assert corrected[name].value == pytest.approx(truth[name], rel=0.035), name


def test_invented_particles_are_taken_out() -> None:
    found = np.r_[drawn(1000, 2, 12.0, 0.4), drawn(300, 3, 5.0, 0.2)]
    both = size_distribution(sample(found, scale=1.0), response(1.0, invented=600), replicates=30, laws=False)
    truth = statistics(found[:1000], ONE(1000))["mean"]
    assert both.variants["measured"].estimates["mean"].value < 0.9 * truth
    assert both.variants["detection"].estimates["mean"].value == pytest.approx(truth, rel=0.05)


def test_sizes_are_compared_at_the_working_scale() -> None:
    """Micrographs of twice the magnification: their particles of 24 px are those of 12 px that the model saw."""
    seen = response(1.0, 1.2)
    one, two = (
        size_distribution(sample(drawn(500) * k, scale=1 / k, field=1000 * k), seen, replicates=20, laws=False)
        for k in (1, 2)
    )
    a, b = (each.variants["corrected"].estimates["mean"].value for each in (one, two))
    assert b == pytest.approx(2 * a)


def test_a_poorly_known_response_widens_the_interval() -> None:
    full = response(0.7, noise=0.2)
    few = Response(
        true_T=full.true_T[:120],
        found_T=full.found_T[:120],
        image_T=full.image_T[:120] % 6,
        invented_P=full.invented_P,
        invented_image_P=full.invented_image_P,
        images=6,
    )
    widths = []
    for each in (full, few):
        one = size_distribution(sample(drawn(2000), scale=1.0), each, laws=False).variants["detection"]
        widths.append(one.estimates["mean"].high - one.estimates["mean"].low)
    assert widths[1] > 1.2 * widths[0]


def test_without_a_known_scale_or_enough_particles_nothing_is_corrected_and_it_is_said() -> None:
    found = size_distribution(sample(drawn(50)), response(), replicates=20)
    assert set(found.variants) == {"measured", "border"}
    assert any("scale" in note for note in found.notes)
    few = Response(
        true_T=np.ones(3), found_T=np.ones(3), image_T=np.zeros(3, int), invented_P=np.zeros(0),
        invented_image_P=np.zeros(0, int), images=1,
    )  # fmt: skip
    assert any("fewer than" in note for note in size_distribution(sample(drawn(50), scale=1.0), few).notes)


# Laws


@pytest.mark.parametrize(
    ("law", "name"),
    [
        (stats.norm(10, 2), "normal"),
        (stats.lognorm(0.5, scale=10), "log-normal"),
        (stats.weibull_min(1.5, scale=10), "weibull"),
    ],
)
def test_the_law_that_made_the_sizes_fits_best(law: stats.distributions.rv_frozen, name: str) -> None:
    d = law.rvs(800, random_state=1)
    best = fit_laws(d, ONE(800))[0]
    assert best.name == name
    assert best.delta_aic == 0
    assert best.p > 0.05
    assert best.aic == pytest.approx(-2 * law.logpdf(d).sum(), abs=12)
    assert np.abs(best.cdf(d) - law.cdf(d)).max() < 0.05


def test_a_wrong_law_is_told_by_a_small_p() -> None:
    two = np.r_[drawn(300, 0, 5.0, 0.1), drawn(300, 1, 15.0, 0.1)]
    assert all(fit.p < 0.01 for fit in fit_laws(two, ONE(600)))


def test_the_fits_agree_with_scipys() -> None:
    d = drawn(300)
    found = {fit.name: fit.parameters for fit in fit_laws(d, ONE(300))}
    shape, _, scale = stats.weibull_min.fit(d, floc=0)
    assert found["weibull"] == pytest.approx({"shape": shape, "scale": scale}, rel=1e-3)
    sigma, _, median = stats.lognorm.fit(d, floc=0)
    assert found["log-normal"] == pytest.approx({"sigma": sigma, "median": median}, rel=1e-3)


def test_no_law_is_fitted_to_a_handful_of_particles_or_to_one_size() -> None:
    assert fit_laws(drawn(5), ONE(5)) == []
    assert fit_laws(np.full(50, 3.0), ONE(50)) == []


# From a table to files


def table(names: dict[str, int]) -> pd.DataFrame:
    label = np.zeros((100, 100), np.int32)
    label[10:20, 10:20], label[40:60, 40:60], label[0:10, 70:80] = 1, 2, 3
    return pd.concat([measure(np.where(label <= n, label, 0), name=name) for name, n in names.items()])


def test_particles_that_the_edge_cuts_are_left_out_and_counted() -> None:
    found = sample_from_table(table({"a": 3}), {"a": (100, 100)}, {"a": 0.5})
    assert (found.unit, found.cut, found.area) == ("nm", 1, 2500.0)
    assert found.diameter_K == pytest.approx(np.sqrt(4 / np.pi * np.array([100, 400])) / 2)
    assert found.box_K2.tolist() == [[5, 5], [10, 10]]


def test_micrographs_of_unknown_pixel_size_are_left_out_where_others_are_known() -> None:
    shapes = {"a": (100, 100), "b": (100, 100), "empty": (100, 100)}
    mixed = sample_from_table(table({"a": 3, "b": 2}), shapes, {"a": 0.5, "b": None, "empty": 0.5})
    assert len(mixed.diameter_K) == 2
    assert mixed.micrographs == 2  # the empty one has an area too
    assert "1 of 3 micrographs" in mixed.notes[0]
    assert sample_from_table(table({"a": 3, "b": 2}), shapes, {}).unit == "px"


def test_an_image_without_a_known_size_is_named() -> None:
    with pytest.raises(DataError, match="'b'"):
        sample_from_table(table({"a": 3, "b": 2}), {"a": (100, 100)}, {})


def test_everything_is_written_and_equal_for_equal_seeds(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written = write_sizes(size_distribution(sample(drawn(60)), seed=3), tmp_path / name)
        assert [path.suffix for path in written] == [".json", ".csv", ".png", ".svg", ".pdf"]
    for path in written:
        assert path.read_bytes() == (tmp_path / "one" / path.name).read_bytes(), path.name
    kept = json.loads((tmp_path / "one" / "size_distribution.json").read_text())
    assert kept["best"] == "border"
    assert set(kept["variants"]["border"]["estimates"]) == set(NAMES)
    rows = pd.read_csv(tmp_path / "one" / "size_distribution.csv")
    assert {"statistic", "unit", "measured", "border_low", "meaning"} <= set(rows)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_particles_give_files_without_invented_numbers(tmp_path: Path, count: int) -> None:
    sizes = size_distribution(sample(drawn(count)))
    write_sizes(sizes, tmp_path)
    kept = json.loads((tmp_path / "size_distribution.json").read_text())
    assert kept["particles"] == count
    if count < 2:
        assert kept["variants"]["border"]["estimates"]["sd"]["value"] is None
