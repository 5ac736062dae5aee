"""The sampler that draws masks like the rough ones: sizes, shapes, counts and spacing as measured there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from emgen.stages import Context, LabelArray, Stack
from emgen_masks.config import FittedParticlesConfig
from emgen_masks.law import ParticleLaw
from emgen_masks.measured import Measured, measure_stack
from emgen_masks.placing import Spacing, populate

STATE, REPORT = "sampler.json", "fit.json"
TRIAL_PARTICLES = 250
"""In the masks of one trial, about: enough to tell settings apart, few enough to try many."""


class FittedParticles:
    """Implements ``emgen.stages.MaskSampler``.

    ``report`` says after ``fit`` how far sampled masks are from the measured ones: Kolmogorov-Smirnov distances of
    diameter, count and nearest-neighbour distance, and medians of both. It is saved as ``fit.json``.
    """

    def __init__(self, config: FittedParticlesConfig, context: Context) -> None:
        self._config, self._seed = config, context.seed
        self._law: ParticleLaw
        self._spacing = Spacing()
        self.report: dict[str, Any] = {}

    def fit(self, label_NHW: Stack) -> None:
        """Learn the law of (N, H, W) rough instances. Raises ``NoParticlesError`` where they hold none."""
        rng = np.random.default_rng([self._seed, 0xF17])
        measured = measure_stack(label_NHW)
        self._law = ParticleLaw.of(measured, self._config.smoothing)
        self._spacing = self._fit_spacing(measured, rng)
        sampled = self._measured_again(self._config.check_masks, self._spacing, measured, rng)
        self.report = compare(measured, sampled) | {"spacing": asdict(self._spacing)}

    def sample(self, n: int, shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
        """Masks of ``density`` times the measured counts: so many draws of the law on each."""
        masks = []
        for _ in range(n):
            draws = int(self._config.density + rng.random())
            stamps = [
                stamp
                for _ in range(draws)
                for stamp in self._law.draw(shape_HW, rng, other_sizes=self._config.other_sizes)
            ]
            masks.append(populate(shape_HW, stamps, self._spacing, rng))
        return np.stack(masks)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state = {"law": self._law.to_json(), "spacing": asdict(self._spacing)}
        (folder / STATE).write_text(json.dumps(state))
        (folder / REPORT).write_text(json.dumps(self.report, indent=1))

    def load(self, folder: Path) -> None:
        state = json.loads((folder / STATE).read_text())
        self._law, self._spacing = ParticleLaw.from_json(state["law"]), Spacing(**state["spacing"])
        self.report = json.loads((folder / REPORT).read_text())

    def _mask(self, shape_HW: tuple[int, int], spacing: Spacing, rng: np.random.Generator) -> LabelArray:
        return populate(shape_HW, self._law.draw(shape_HW, rng), spacing, rng)

    def _measured_again(self, n: int, spacing: Spacing, like: Measured, rng: np.random.Generator) -> Measured:
        masks = np.stack([self._mask(like.shape_HW, spacing, rng) for _ in range(n)])
        if not masks.any():  # mostly empty masks were measured, and few are drawn
            masks[0, masks.shape[1] // 2, masks.shape[2] // 2 :] = 1
        return measure_stack(masks, bounds=like.bounds, shapes=False)

    def _fit_spacing(self, measured: Measured, rng: np.random.Generator) -> Spacing:
        """The best of some random settings: nearest-neighbour distances and contacts as measured.

        All are tried with the same random numbers, so that the settings are compared and not the luck.
        """
        if len(measured.distance) < 2:
            return Spacing()
        seed = int(rng.integers(2**31))
        masks = int(np.clip(TRIAL_PARTICLES / measured.count_N.mean(), 6, 40))
        tried = []
        for spacing in _proposals(self._config.trials, measured, rng):
            sampled = self._measured_again(masks, spacing, measured, np.random.default_rng(seed))
            off = abs(sampled.touching - measured.touching)
            tried.append((_ks(measured.distance, sampled.distance) + off, spacing))
        return min(tried, key=lambda pair: pair[0])[1]


def _proposals(n: int, measured: Measured, rng: np.random.Generator) -> Iterator[Spacing]:
    """Settings in the range that the measured contacts and distances allow."""
    size, distance = float(np.median(measured.diameter_K)), float(np.median(measured.distance))
    yield Spacing(touching=0.5 * measured.touching)
    for _ in range(n - 1):
        clustered = rng.random() < 0.6
        yield Spacing(
            touching=float(measured.touching * rng.uniform(0.3, 1.1)),
            clustered=float(rng.uniform(0.1, 0.95)) if clustered else 0.0,
            spread=float(distance * rng.uniform(0.5, 3)),
            gap=0.0 if clustered else float(max(0.0, distance - size) * rng.uniform(0, 1.2)),
        )


def compare(measured: Measured, sampled: Measured) -> dict[str, Any]:
    """Distances between measured and sampled masks (0 alike, 1 nothing in common), and medians of both."""
    diameters = (measured.diameter_K, sampled.diameter_K)
    return {
        "ks": {
            "diameter": _ks(*diameters),
            "count": _ks(measured.count_N, sampled.count_N),
            "neighbour_distance": _ks(measured.distance, sampled.distance),
        },
        "measured": _summary(measured),
        "sampled": _summary(sampled),
        "dropped_as_noise": measured.dropped,
        "diameter_bounds_px": list(measured.bounds),
    }


def _ks(a: Any, b: Any) -> float:
    """1 where only one of them has values at all."""
    if not len(a) or not len(b):
        return float(bool(len(a)) != bool(len(b)))
    return float(ks_2samp(a, b).statistic)


def _summary(m: Measured) -> dict[str, float]:
    return {
        "masks": len(m.count_N),
        "particles_per_mask": float(m.count_N.mean()),
        "empty_masks": float((m.count_N == 0).mean()),
        "median_diameter_px": float(np.median(m.diameter_K)),
        "median_neighbour_distance_px": float(np.median(m.distance)) if len(m.distance) else 0.0,
        "touching": m.touching,
    }
