"""Intervals of a session that grows."""

from __future__ import annotations

import numpy as np
import pytest

from emgen.copilot.sizes import SessionSizes, sizes_of_frame
from emgen.copilot.trend import MOST, Latency, Trend


def frames(rng: np.random.Generator, count: int, spread: float = 0.1) -> list[np.ndarray]:
    """Lognormal particles around a mean of each frame's own."""
    return [np.exp(np.log(12) + rng.normal(0, spread) + rng.normal(0, 0.3, rng.integers(20, 60))) for _ in range(count)]


def session_of(diameters: list[np.ndarray]) -> SessionSizes:
    session = SessionSizes("nm")
    for number, diameter_K in enumerate(diameters):
        session.add(number, diameter_K)
    return session


def test_the_numbers_are_those_of_all_particles() -> None:
    diameters = frames(np.random.default_rng(0), 40)
    sizes, everything = session_of(diameters).sizes(), np.concatenate(diameters)
    assert sizes.particles == len(everything)
    assert sizes.mean.value == pytest.approx(everything.mean())
    assert sizes.median.value == pytest.approx(np.median(everything), rel=0.02)
    assert sizes.d10 == pytest.approx(np.quantile(everything, 0.1), rel=0.03)
    assert sizes.d90 == pytest.approx(np.quantile(everything, 0.9), rel=0.03)
    assert sizes.histogram is not None
    assert sum(sizes.histogram.share_B) == pytest.approx(1)
    assert len(sizes.histogram.edge) == len(sizes.histogram.share_B) + 1


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    """Frames differ by more than their particles: an interval that took particles for the sample would miss often."""
    true = 12 * np.exp(0.1**2 / 2 + 0.3**2 / 2)
    hits = 0
    for seed in range(60):
        mean = session_of(frames(np.random.default_rng(seed), 30)).sizes().mean
        hits += bool(mean.low is not None and mean.high is not None and mean.low <= true <= mean.high)
    assert hits >= 52, "about 95 % of 60, less what 30 frames cost a percentile interval"


def test_the_same_frames_give_the_same_intervals_after_a_restart() -> None:
    diameters = frames(np.random.default_rng(1), 12)
    assert session_of(diameters).sizes() == session_of(diameters).sizes()


def test_few_frames_have_no_interval_and_none_has_no_number() -> None:
    assert session_of(frames(np.random.default_rng(2), 3)).sizes().mean.low is None
    empty = session_of([np.array([])]).sizes()
    assert (empty.particles, empty.frames, empty.mean.value, empty.histogram) == (0, 1, None, None)


def test_a_frame_of_its_own() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        sizes = sizes_of_frame(rng.normal(20, 4, 50), "px")
        assert sizes.median.low is not None
        assert sizes.median.high is not None
        hits += sizes.median.low <= 20 <= sizes.median.high
    assert 184 <= hits <= 199
    assert sizes_of_frame(np.array([]), "px").mean.value is None
    assert sizes_of_frame(np.array([5.0]), "px").mean.low is None
    assert sizes_of_frame(np.array([1.0, 5.0]), "px").mean.low == 0, "no diameter is negative"


def test_lines_stay_short_and_keep_their_mean() -> None:
    trend = Trend()
    for n in range(10 * MOST):
        trend.add(at=float(n), mean=10.0 + (n % 2), particles=n, coverage=None)
    told = trend.told()
    assert MOST / 2 - 1 <= len(told["at"]) <= MOST
    means = [value for value in told["mean"] if value is not None]
    assert np.mean(means) == pytest.approx(10.5, abs=0.01)
    assert told["coverage"] == [None] * len(told["at"])
    assert told["at"] == sorted(told["at"])  # type: ignore[type-var]


def test_latency_by_stage() -> None:
    latency = Latency()
    for n in range(2000):
        latency.add({"segment": n / 1000})
    told = latency.told()["segment"]
    assert told["frames"] == 1000
    assert told["p50"] == pytest.approx(1.5, abs=0.01)
    assert told["p99"] == pytest.approx(1.99, abs=0.01)


def test_the_interval_of_a_few_particles_is_students() -> None:
    from scipy import stats

    values = np.array([9.0, 10.0, 12.0])
    low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    mean = sizes_of_frame(values, "nm").mean
    assert (mean.low, mean.high) == (pytest.approx(low), pytest.approx(high))


def test_a_frame_that_is_answered_late_stands_at_its_time() -> None:
    trend = Trend()
    for at in (1.0, 3.0, 4.0, 2.0):
        trend.add(at=at, mean=at)
    assert trend.told()["mean"] == [1.0, 2.0, 3.0, 4.0]
