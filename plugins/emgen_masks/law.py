"""The joint law of size, shape and count, resampled from what was measured. K: measured particles, N: masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.particles.geometry import hull_of
from emgen_masks.measured import Bounds, Measured
from emgen_masks.outlines import Stamp, irregular, of_size, stamp, turned
from emgen_masks.placing import in_sight

LIKE = 0.5
"""Masks count as alike where the logarithms of their counts differ by about this: sizes may depend on crowding."""
COUNT_NOISE = 0.25
"""Standard deviation of a sampled count around the measured one, in units of its square root."""
ROUGHNESS = np.linspace(0, 0.5, 9)
DIAMETERS = np.array([4.0, 6.0, 9.0, 14.0, 22.0, 35.0])
REPEATS = 12
LARGEST_ASPECT = 6.0
OTHER = (0.6, 2.5)
"""Range, log-uniform, of the factor on the diameter of particles of other sizes than those measured."""
SMALLEST, LARGEST = 4.0, 0.4
"""Such particles stay between this diameter (px) and this share of the mask's shorter side."""


@dataclass(frozen=True, slots=True)
class ParticleLaw:
    """A smoothed bootstrap: measured particles drawn again, each moved by a little noise.

    Attributes
    ----------
    row_K3: logarithm of diameter (px), logarithm of aspect, roughness of the outline.
    weight_K: how many particles each stands for (``Measured``). count_K, count_N: particles in sight in its mask, in
    each mask; masks without any are among them. bandwidth: of the kernel, in standard deviations of each column.
    """

    shape_HW: tuple[int, int]
    row_K3: NDArray[np.float64]
    weight_K: NDArray[np.float64]
    count_K: NDArray[np.int64]
    count_N: NDArray[np.int64]
    bounds: Bounds
    bandwidth: float

    @classmethod
    def of(cls, measured: Measured, smoothing: float) -> ParticleLaw:
        """``smoothing``: times Silverman's rule for three dimensions."""
        seen = np.isfinite(measured.solidity_K)
        diameter, solidity = measured.diameter_K[seen], measured.solidity_K[seen]
        aspect = np.clip(measured.aspect_K[seen], 1, LARGEST_ASPECT)
        rows = np.c_[np.log(diameter), np.log(aspect), roughness_of(solidity, diameter)]
        return cls(
            shape_HW=measured.shape_HW,
            row_K3=rows,
            weight_K=measured.weight_K[seen],
            count_K=measured.count_N[measured.mask_K[seen]],
            count_N=measured.count_N,
            bounds=measured.bounds,
            bandwidth=smoothing * (4 / (5 * len(rows))) ** (1 / 7),
        )

    def draw(self, shape_HW: tuple[int, int], rng: np.random.Generator, *, other_sizes: float = 0.0) -> list[Stamp]:
        """The particles of one mask. ``other_sizes``: share whose diameter is made another than measured."""
        measured = int(rng.choice(self.count_N))
        rows = self._rows(self._count(measured, shape_HW, rng), measured, rng)
        if other_sizes > 0:
            changed = rng.random(len(rows)) < other_sizes
            diameter = np.exp(rows[:, 0] + rng.uniform(*np.log(OTHER), len(rows)))
            diameter = np.clip(diameter, SMALLEST, LARGEST * min(shape_HW))
            rows[changed, 0] = np.log(diameter[changed])
        return [self._particle(row, rng) for row in rows]

    def _count(self, measured: int, shape_HW: tuple[int, int], rng: np.random.Generator) -> int:
        """For a mask of another shape, in proportion to the area in whose sight particles lie."""
        size = float(np.exp(self.row_K3[:, 0].mean()))
        ratio = in_sight(shape_HW, size) / in_sight(self.shape_HW, size)
        noise = COUNT_NOISE * np.sqrt(measured) * rng.normal()
        expected = max(float(measured > 0), measured + noise) * ratio
        return int(expected + rng.random())

    def _rows(self, n: int, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """(n, 3), from masks of a similar count; of those in sight at all, large ones are more."""
        if n == 0:
            return np.zeros((0, 3))
        alike = np.exp(-0.5 * ((np.log1p(self.count_K) - np.log1p(count)) / LIKE) ** 2)
        chance = self.weight_K * (alike + 1e-6) * in_sight(self.shape_HW, np.exp(self.row_K3[:, 0]))
        drawn = self.row_K3[rng.choice(len(chance), n, p=chance / chance.sum())]
        middle, h = self.row_K3.mean(axis=0), self.bandwidth
        noise = h * self.row_K3.std(axis=0) * rng.normal(size=drawn.shape)
        rows = middle + (drawn - middle + noise) / np.sqrt(1 + h**2)  # keeps the variance as measured
        rows[:, 0] = np.clip(rows[:, 0], *np.log(self.bounds))
        rows[:, 1:] = np.abs(rows[:, 1:])
        return rows

    @staticmethod
    def _particle(row: NDArray[np.float64], rng: np.random.Generator) -> Stamp:
        outline = irregular(float(np.exp(row[1])), float(row[2]), rng)
        return stamp(turned(of_size(outline, float(np.exp(row[0]))), rng.uniform(0, 2 * np.pi)), rng)

    def to_json(self) -> dict[str, Any]:
        return {
            "shape_HW": list(self.shape_HW),
            "row_K3": self.row_K3.tolist(),
            "weight_K": self.weight_K.tolist(),
            "count_K": self.count_K.tolist(),
            "count_N": self.count_N.tolist(),
            "bounds": list(self.bounds),
            "bandwidth": self.bandwidth,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ParticleLaw:
        return cls(
            shape_HW=tuple(data["shape_HW"]),
            row_K3=np.array(data["row_K3"], float),
            weight_K=np.array(data["weight_K"], float),
            count_K=np.array(data["count_K"], int),
            count_N=np.array(data["count_N"], int),
            bounds=tuple(data["bounds"]),
            bandwidth=data["bandwidth"],
        )


def roughness_of(solidity_K: NDArray[np.float64], diameter_K: NDArray[np.float64]) -> NDArray[np.float64]:
    """The roughness at which drawn outlines of that size have that solidity once they are pixels.

    Found by drawing some: on few pixels even a disc is not quite convex.
    """
    table = _solidity_table()
    nearest = np.abs(np.log(diameter_K)[:, None] - np.log(DIAMETERS)).argmin(axis=1)
    return np.array([np.interp(-s, -table[k], ROUGHNESS) for s, k in zip(solidity_K, nearest, strict=True)])


def _solidity_table() -> NDArray[np.float64]:
    """(diameters, roughnesses) mean solidity, falling along each row."""
    rng = np.random.default_rng(0)
    table = np.array([[_mean_solidity(d, r, rng) for r in ROUGHNESS] for d in DIAMETERS])
    falling: NDArray[np.float64] = np.minimum.accumulate(table, axis=1) - 1e-9 * np.arange(len(ROUGHNESS))
    return falling


def _mean_solidity(diameter: float, roughness: float, rng: np.random.Generator) -> float:
    values = []
    for _ in range(REPEATS):
        piece = stamp(turned(of_size(irregular(1.2, roughness, rng), diameter), rng.uniform(0, 2 * np.pi)), rng)
        mask = np.zeros((2 * piece.reach + 1,) * 2, bool)
        mask[piece.ys + piece.reach, piece.xs + piece.reach] = True
        values.append(min(1.0, mask.sum() / hull_of(mask).area))
    return float(np.mean(values))
