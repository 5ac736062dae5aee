"""The sampler of heaps: powders whose particles lie in agglomerates, over each other.

Sizes and outlines follow the law of the uppermost particles of the rough masks (those beneath show in part only, and
would make the law too small), heaps have as many particles as measured, and lie over each other as deep.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import ks_2samp

from emgen.stages import Context, LabelArray, Stack
from emgen_masks.law import ParticleLaw
from emgen_masks.measured import Measured, measure_stack
from emgen_masks.outlines import Stamp
from emgen_sem.config import AgglomeratesConfig
from emgen_sem.heaps import Canvas, heap_places

STATE = "agglomerates.json"
UPPERMOST = 0.6
"""Particles of less solidity than this quantile count as partly hidden."""
DEPTHS = (0.0, 0.08, 0.16, 0.24, 0.32, 0.42)
"""Depths of contact that are tried; the masks drawn with each are compared with the measured ones."""
TRIAL_PARTICLES = 150
"""In the masks of one trial, about."""
MOST_HEAPS = 400
"""Heaps tried for one mask; where particles no longer show, more of them change nothing."""


class Agglomerates:
    """Implements ``emgen.stages.MaskSampler``. ``overlap``: the depth of contacts that was fitted or set."""

    def __init__(self, config: AgglomeratesConfig, context: Context) -> None:
        self._config, self._seed = config, context.seed
        self._law: ParticleLaw
        self._heaps: NDArray[np.int64] = np.ones(1, np.int64)
        self.overlap = 0.0

    def fit(self, label_NHW: Stack) -> None:
        """Learn from (N, H, W) rough instances. Raises ``NoParticlesError`` where they hold none."""
        measured = measure_stack(label_NHW)
        self._law = ParticleLaw.of(_uppermost(measured), self._config.smoothing)
        masks = [label_NHW[i] for i in range(len(label_NHW))]
        self._heaps = np.concatenate([heap_sizes(label_HW) for label_HW in masks])
        self.overlap = self._fit_overlap(measured, masks) if self._config.overlap is None else self._config.overlap

    def sample(self, n: int, shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
        """Masks of ``density`` times the measured counts."""
        masks = []
        for _ in range(n):
            stamps = self._law.draw(shape_HW, rng)
            supply = self._supply(stamps, shape_HW, rng)
            masks.append(self._mask(shape_HW, self._config.density * len(stamps), supply, self.overlap, rng))
        return np.stack(masks)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state = {"law": self._law.to_json(), "heaps": self._heaps.tolist(), "overlap": self.overlap}
        (folder / STATE).write_text(json.dumps(state))

    def load(self, folder: Path) -> None:
        state = json.loads((folder / STATE).read_text())
        self._law = ParticleLaw.from_json(state["law"])
        self._heaps, self.overlap = np.array(state["heaps"], np.int64), float(state["overlap"])

    def _fit_overlap(self, measured: Measured, masks: list[LabelArray]) -> float:
        """The depth of contact of ``DEPTHS`` at which what shows of particles is shaped and spaced as measured."""
        if self._heaps.max() < 2:
            return 0.0
        rng = np.random.default_rng([self._seed, 0xA66])
        count = int(np.clip(TRIAL_PARTICLES / measured.count_N.mean(), 2, 30))
        draws = [self._law.draw(measured.shape_HW, rng) for _ in range(count)]
        seed, wanted, tried = int(rng.integers(2**31)), _signature(measured, masks), []
        for depth in DEPTHS:
            luck = np.random.default_rng(seed)  # the same particles and the same luck for all
            supply = cycle([stamp for stamps in draws for stamp in stamps])
            drawn = [self._mask(measured.shape_HW, len(stamps), supply, depth, luck) for stamps in draws]
            if any(label_HW.any() for label_HW in drawn):
                found = _signature(measure_stack(np.stack(drawn), bounds=measured.bounds), drawn)
                tried.append((sum(_distance(a, b) for a, b in zip(wanted, found, strict=True)), depth))
        return min(tried)[1] if tried else 0.0

    def _mask(
        self, shape_HW: tuple[int, int], wanted: float, supply: Iterator[Stamp], depth: float, rng: np.random.Generator
    ) -> LabelArray:
        """Heaps anywhere, until about ``wanted`` particles show."""
        canvas = Canvas(shape_HW)
        for _ in range(MOST_HEAPS):
            size = self._heap_size(rng)
            if canvas.count + size / 2 > wanted and (canvas.count or wanted < 1):
                break  # one heap more would bring it no nearer
            stamps = [next(supply) for _ in range(size)]
            places = heap_places([stamp.radius for stamp in stamps], depth, self._config.compactness, rng)
            places = places - places.mean(axis=0) + rng.uniform(0, 1, 2) * shape_HW
            for number in rng.permutation(size):
                canvas.put(stamps[number], places[number], self._config.least_visible)
        return canvas.finish()

    def _heap_size(self, rng: np.random.Generator) -> int:
        if self._config.heap is None:
            return int(rng.choice(self._heaps))
        return 1 + int(rng.poisson(max(self._config.heap - 1, 0)))

    def _supply(self, first: list[Stamp], shape_HW: tuple[int, int], rng: np.random.Generator) -> Iterator[Stamp]:
        """Particles of the law, without an end."""
        yield from first
        while True:
            yield from self._law.draw(shape_HW, rng)


def _signature(measured: Measured, masks: list[LabelArray]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What tells how deep particles lie over each other: solidities of what shows, and depths of contacts."""
    solidity = measured.solidity_K[np.isfinite(measured.solidity_K)]
    return solidity, np.concatenate([contact_depths(label_HW) for label_HW in masks])


def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Kolmogorov-Smirnov; 1 where only one of them has values."""
    if not len(a) or not len(b):
        return float(bool(len(a)) != bool(len(b)))
    return float(ks_2samp(a, b).statistic)


def heap_sizes(label_HW: LabelArray) -> NDArray[np.int64]:
    """How many particles each connected region of (H, W) instances holds."""
    regions_HW, count = ndimage.label(label_HW > 0)
    pairs = np.unique(np.stack([regions_HW[label_HW > 0], label_HW[label_HW > 0]]), axis=1)
    return np.bincount(pairs[0], minlength=count + 1)[1:].astype(np.int64)


def contact_depths(label_HW: LabelArray) -> NDArray[np.float64]:
    """How deep each two particles in touch lie over each other, over the sum of their radii (of equal area)."""
    pairs = _neighbours(label_HW)
    numbers, places, radii = _centres(label_HW)
    if not len(pairs):
        return np.zeros(0)
    a, b = np.searchsorted(numbers, pairs.T)
    distance = np.linalg.norm(places[a] - places[b], axis=1)
    return np.maximum(0, 1 - distance / (radii[a] + radii[b]))


def _neighbours(label_HW: LabelArray) -> NDArray[np.int32]:
    """(P, 2) labels that share an edge of a pixel, each pair once."""
    found = []
    for one, other in ((label_HW[1:], label_HW[:-1]), (label_HW[:, 1:], label_HW[:, :-1])):
        touch = (one != other) & (one > 0) & (other > 0)
        found.append(np.sort(np.stack([one[touch], other[touch]], axis=1), axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _centres(label_HW: LabelArray) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    """Labels, their centres of area (K, 2) and radii of the discs of equal area (K,)."""
    ys, xs = np.nonzero(label_HW)
    area = np.bincount(label_HW[ys, xs])
    numbers = np.flatnonzero(area)
    y, x = (np.bincount(label_HW[ys, xs], c)[numbers] / area[numbers] for c in (ys, xs))
    return numbers, np.c_[y, x], np.sqrt(area[numbers] / np.pi)


def _uppermost(measured: Measured) -> Measured:
    """Without the particles that others seem to hide in part."""
    known = np.isfinite(measured.solidity_K)
    least = np.quantile(measured.solidity_K[known], UPPERMOST)
    kept = known & (measured.solidity_K >= least)
    rows = {name: getattr(measured, name)[kept] for name in type(measured).__slots__ if name.endswith("_K")}
    return replace(measured, **rows)
