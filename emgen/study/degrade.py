"""Exact instances made worse in four even steps: rough masks of a known quality.

Each step is the same mixture at another strength s: of the particles the share ``MISSED`` * s is missed, the faintest
first; outlines turn ragged by ``RAGGED`` * s diameters; ``FALSE`` * s clumps of support a particle are taken for
particles; touching neighbours are merged with the chance ``MERGED`` * s. The strength is found for each micrograph, so
that its mask has the intersection over union with the exact one that the step stands for; the raggedness alone is then
adjusted once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray, LabelArray
from emgen.study.agreement import agreement
from emgen.study.scene import Outline, Scene, numbers_of, painted, read_scene

STEP_IOU = (0.9, 0.75, 0.6, 0.45)
"""Intersection over union of degraded and exact mask, of steps 1 to 4."""
MISSED, RAGGED, FALSE, MERGED = 0.35, 0.15, 0.3, 1.0
_STRONGEST = 2.0
_LUCK = 0.5
"""Standard deviation of what adds to the logarithm of a particle's detectability: no segmenter ranks by it strictly."""
_GRAIN_PX = 1.0


@dataclass(frozen=True, slots=True)
class _Slips:
    """What chance decides, drawn once for all strengths: rank of being missed, edges, and clumps mistaken."""

    rank_K: NDArray[np.float64]
    ragged: list[FloatArray]
    merged: NDArray[np.float64]
    clumps: list[Outline]


def degrade(label_HW: LabelArray, image_HW: FloatArray, step: int, rng: np.random.Generator) -> LabelArray:
    """(H, W) int32 instances as a segmenter of the quality of ``step`` (0 none, 1 to 4) would find them.

    image_HW: the micrograph, for which particles are faint and which support looks like particles. The mask's
    intersection over union with the exact one is that of ``STEP_IOU`` within about 0.02 where the micrograph holds more
    than a few particles. Raises ValueError for another step or unequal shapes.
    """
    if step not in range(len(STEP_IOU) + 1):
        raise ValueError(f"step {step!r}: 0 (exact) to {len(STEP_IOU)}")
    scene = read_scene(label_HW, image_HW)
    slips = _drawn(scene, rng)
    exact = painted(scene.shape_HW, ((o, n, o.depth_HW) for n, o in enumerate(scene.outlines, 1)))
    if step == 0 or not scene.outlines:
        return exact

    def iou(strength: float, ragged: float) -> float:
        return agreement(_degraded(scene, slips, strength, ragged), exact).foreground_iou

    aim = STEP_IOU[step - 1]
    strength = _where_it_falls(lambda s: iou(s, s), aim)
    # A large particle missed or not makes a jump; the outlines make up for it.
    return _degraded(scene, slips, strength, _where_it_falls(lambda ragged: iou(strength, ragged), aim))


def _where_it_falls(quality: Callable[[float], float], aim: float) -> float:
    """The strength at which a falling quality reaches the aim, by halving."""
    low, high = 0.0, _STRONGEST
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if quality(middle) > aim else (low, middle)
    return (low + high) / 2


def _drawn(scene: Scene, rng: np.random.Generator) -> _Slips:
    """Each of the draws takes as much chance whatever the step, so that steps differ in strength alone."""
    detectability = np.array([outline.detectability for outline in scene.outlines])
    seen = np.log(np.maximum(detectability, 1e-6)) + _LUCK * rng.standard_normal(len(detectability))
    rank = np.empty(len(seen))
    rank[np.argsort(seen, kind="stable")] = (np.arange(len(seen)) + rng.random(len(seen))) / max(len(seen), 1)
    merged = rng.random(len(scene.touching))
    clumps = [scene.clumps[index] for index in rng.permutation(len(scene.clumps))]
    ragged = [_roughness(outline, rng) for outline in [*scene.outlines, *clumps]]
    return _Slips(rank, ragged, merged, clumps)


def _roughness(outline: Outline, rng: np.random.Generator) -> FloatArray:
    """Noise of unit variance with a grain of a few pixels."""
    from scipy import ndimage as ndi

    noise = rng.standard_normal(outline.depth_HW.shape, dtype=np.float32)
    # A Gaussian filter of standard deviation g leaves 1 / (4 pi g^2) of the variance of white noise.
    return np.asarray(ndi.gaussian_filter(noise, _GRAIN_PX) * np.sqrt(4 * np.pi) * _GRAIN_PX, np.float32)


def _degraded(scene: Scene, slips: _Slips, strength: float, ragged: float) -> LabelArray:
    number = numbers_of(scene, slips.rank_K >= MISSED * strength, slips.merged < MERGED * strength)
    count = len(scene.outlines)
    false = min(round(FALSE * strength * count), len(slips.clumps))
    number += [count + 1 + k if k < false else 0 for k in range(len(slips.clumps))]
    rows = zip([*scene.outlines, *slips.clumps], number, slips.ragged, strict=True)
    levels = ((o, n, o.depth_HW + np.float32(RAGGED * ragged * o.diameter) * edge) for o, n, edge in rows if n)
    return painted(scene.shape_HW, ((o, n, _largest(level)) for o, n, level in levels))


def _largest(level: FloatArray) -> FloatArray:
    """Without the specks that noise leaves apart from the particle."""
    from scipy import ndimage as ndi

    parts, count = ndi.label(level > 0)
    if count < 2:
        return level
    largest = int(np.argmax(np.bincount(parts.ravel())[1:])) + 1
    return np.where(parts == largest, level, np.float32(-1))
