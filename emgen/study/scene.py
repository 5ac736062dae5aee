"""A micrograph as somebody who labels it meets it: outlines, how well each particle shows, what touches, what misleads.

K: particles. Made once for a micrograph; labels are then drawn from it as often as wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emgen.particles import equivalent_diameters, typical_diameter
from emgen.stages import FloatArray, LabelArray

Box = tuple[slice, slice]
REACH = 0.35
"""Room around a particle, in its diameters: outlines are drawn that far off at most."""
SMALLEST_AREA = 4
"""Pixels; nobody outlines less."""
_LEAST_RING = 12
"""Pixels; of fewer no variance is taken."""
_QUANTUM = 1 / 255
"""A step of an 8-bit image: no texture is finer than what it was stored with."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """One particle, or a clump of support that looks like one.

    Attributes
    ----------
    box: its window in the micrograph. depth_HW: signed distance from the outline in px, positive inside; the image's
        edge is no outline. turn_HW: complex64, unit vector from the centre. diameter: equivalent, px.
    detectability: contrast over the standard error that noise and texture around it leave (see ``detectabilities``).
    """

    box: Box
    depth_HW: FloatArray
    turn_HW: NDArray[np.complex64]
    diameter: float
    detectability: float


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """``touching``: (i, j, contact) of outlines that touch, contact as a fraction of the smaller diameter.

    ``clumps`` are where the support looks most like a particle, the most alike first; ``typical`` diameter in px.
    """

    shape_HW: tuple[int, int]
    outlines: tuple[Outline, ...]
    touching: tuple[tuple[int, int, float], ...]
    clumps: tuple[Outline, ...]
    typical: float


def read_scene(label_HW: LabelArray, image_HW: FloatArray) -> Scene:
    """The scene of exact instances (H, W) int32 and their micrograph (H, W) float32; raises ValueError on shapes."""
    if label_HW.shape != image_HW.shape or label_HW.ndim != 2:
        raise ValueError(f"label_HW {label_HW.shape} and image_HW {image_HW.shape}: both are one (H, W) micrograph.")
    label_HW = renumbered(label_HW)
    typical = typical_diameter(label_HW)
    detectability, polarity = detectabilities(label_HW, image_HW)
    outlines = _outlines(label_HW, detectability)
    clumps = _clumps(label_HW, image_HW, typical, polarity) if outlines else ()
    return Scene(label_HW.shape, outlines, _touching(label_HW), clumps, typical)


def renumbered(label_HW: LabelArray) -> LabelArray:
    """The same instances as int32 1 ... K without gaps.

    >>> renumbered(np.array([[0, 7], [3, 7]])).tolist()
    [[0, 2], [1, 2]]
    """
    present = np.bincount(label_HW.ravel()) > 0
    present[0] = False
    number = np.where(present, np.cumsum(present), 0).astype(np.int32)
    return number[label_HW]


def numbers_of(scene: Scene, marked_K: NDArray[np.bool_], joined: NDArray[np.bool_]) -> list[int]:
    """(K,) the number each outline is drawn with: 0 where it is missed, one for all that are drawn as one particle.

    ``joined``: of each touching pair, whether it is drawn as one where both are marked.
    """
    number = np.where(marked_K, np.arange(1, len(marked_K) + 1), 0)
    for (a, b, _), together in zip(scene.touching, joined, strict=True):
        if marked_K[a] and marked_K[b] and together:
            number[number == number[b]] = number[a]
    return [int(n) for n in number]


def painted(shape_HW: tuple[int, int], drawn: Iterable[tuple[Outline, int, FloatArray]]) -> LabelArray:
    """(H, W) int32 instances 1 ... K of (outline, number, signed distance in its box, positive inside).

    A pixel that two claim goes to the one that it lies deeper in; instances under ``SMALLEST_AREA`` are dropped.
    """
    label_HW = np.zeros(shape_HW, np.int32)
    level_HW = np.zeros(shape_HW, np.float32)
    for outline, number, level in drawn:
        wins = (level > 0) & (level > level_HW[outline.box])
        level_HW[outline.box][wins] = level[wins]
        label_HW[outline.box][wins] = number
    label_HW[np.bincount(label_HW.ravel())[label_HW] < SMALLEST_AREA] = 0
    return renumbered(label_HW)


def detectabilities(label_HW: LabelArray, image_HW: FloatArray) -> tuple[NDArray[np.float64], float]:
    """(K,) size * contrast / sqrt(noise / area + texture) of instances 1 ... K, and their polarity (1 bright, -1 dark).

    Rose's criterion with a background that is no flat field: a typical particle's area averages the noise of pixels
    (variance ``noise``) away, but not the support's texture (variance ``texture``), which has structure of that size.
    ``area`` is a typical particle's, ``size`` the diameter over a typical one's. Both variances are taken in a ring
    around the particle, half its diameter wide and free of other particles: noise from second differences (Immerkaer
    1996); texture is what of the variance around a plane noise does not explain. A particle whose contrast is opposite
    to the others' counts as invisible (0).
    """
    from scipy import ndimage as ndi

    kernel = np.outer([1, -2, 1], [1, -2, 1])
    noise_HW = ndi.convolve(image_HW.astype(np.float64), kernel, mode="reflect") ** 2 / 36
    boxes = ndi.find_objects(label_HW)
    rows = [_contrast(label_HW, image_HW, noise_HW, number, box) for number, box in enumerate(boxes, 1)]
    contrast, noise, texture = np.array(rows, float).reshape(-1, 3).T
    polarity = -1.0 if len(contrast) and np.median(contrast) < 0 else 1.0
    typical = typical_diameter(label_HW)
    variance = noise / (np.pi / 4 * typical**2) + texture
    size = equivalent_diameters(label_HW) / typical
    return np.maximum(polarity * contrast, 0) * size / np.sqrt(variance), polarity


def _contrast(
    label_HW: LabelArray, image_HW: FloatArray, noise_HW: NDArray[np.float64], number: int, box: Box
) -> tuple[float, float, float]:
    """A particle's mean less what its surroundings lead one to expect there; variance of noise, and of texture."""
    from scipy import ndimage as ndi

    width = max(3.0, np.sqrt(np.count_nonzero(label_HW[box] == number) / np.pi))
    window = grown(box, int(width) + 2, label_HW.shape)
    inside = label_HW[window] == number
    outside = ndi.distance_transform_edt(~inside)
    ring = (outside > 1) & (outside <= 1 + width) & (label_HW[window] == 0)
    if np.count_nonzero(ring) < _LEAST_RING:  # in a crowd
        ring = ~inside
    if np.count_nonzero(ring) < _LEAST_RING:
        return 0.0, 1.0, 1.0
    expected, residual_variance = _plane(image_HW[window], ring, inside)
    noise = float(noise_HW[window][ring].mean())
    by_chance = 2 * noise * np.sqrt(2 / np.count_nonzero(ring))  # two standard errors of the variance of pure noise
    texture = max(residual_variance - noise - by_chance, 0.0) + _QUANTUM**2 / 12
    return float(image_HW[window][inside].mean()) - expected, noise, texture


def _plane(pixels: FloatArray, ring: NDArray[np.bool_], inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean, inside, of the plane through the ring's brightness, and the variance around it.

    A slope of the support does not hide a particle from the eye; structure does.
    """
    y, x = np.indices(pixels.shape)
    basis = np.stack([np.ones(pixels.shape), y, x], axis=-1).astype(np.float64)
    weight, *_ = np.linalg.lstsq(basis[ring], pixels[ring].astype(np.float64), rcond=None)
    return float((basis[inside] @ weight).mean()), float((pixels[ring] - basis[ring] @ weight).var())


def grown(box: Box, by: int, shape: tuple[int, int]) -> Box:
    """The window ``by`` px larger on each side, as far as the image reaches."""
    y, x = (slice(max(0, s.start - by), min(n, s.stop + by)) for s, n in zip(box, shape, strict=True))
    return y, x


def _outlines(label_HW: LabelArray, detectability: NDArray[np.float64]) -> tuple[Outline, ...]:
    from scipy import ndimage as ndi

    diameters = equivalent_diameters(label_HW)
    outlines = []
    for number, box in enumerate(ndi.find_objects(label_HW), 1):
        diameter = float(diameters[number - 1])
        window = grown(box, int(np.ceil(REACH * diameter)) + 2, label_HW.shape)
        outlines.append(_outline(label_HW[window] == number, window, diameter, float(detectability[number - 1])))
    return tuple(outlines)


def _outline(inside: NDArray[np.bool_], window: Box, diameter: float, detectability: float) -> Outline:
    from scipy import ndimage as ndi

    within = ndi.distance_transform_edt(inside) if not inside.all() else np.full(inside.shape, diameter / 2)
    depth = np.where(inside, within - 0.5, 0.5 - ndi.distance_transform_edt(~inside)).astype(np.float32)
    y, x = ndi.center_of_mass(inside)
    away = (np.arange(inside.shape[1]) - x)[None] + 1j * (np.arange(inside.shape[0]) - y)[:, None]
    turn = (away / np.maximum(np.abs(away), 1e-6)).astype(np.complex64)
    return Outline(window, depth, turn, diameter, detectability)


def _touching(label_HW: LabelArray) -> tuple[tuple[int, int, float], ...]:
    """Pairs of instances (0 ... K - 1) with a common edge, and its length over the smaller diameter, at most 1."""
    pairs = np.concatenate(
        [
            np.stack([label_HW[:, :-1].ravel(), label_HW[:, 1:].ravel()], 1),
            np.stack([label_HW[:-1].ravel(), label_HW[1:].ravel()], 1),
        ]
    )
    pairs = np.sort(pairs[(pairs[:, 0] != pairs[:, 1]) & pairs.all(axis=1)], axis=1)
    found, edges = np.unique(pairs, axis=0, return_counts=True)
    diameters = equivalent_diameters(label_HW)
    # A straight contact of length L has between L (along the grid) and 1.41 L (diagonal) pixel edges.
    contact = [min(1.0, 0.8 * n / diameters[pair - 1].min()) for pair, n in zip(found, edges, strict=True)]
    return tuple((int(a) - 1, int(b) - 1, float(c)) for (a, b), c in zip(found, contact, strict=True))


def _clumps(label_HW: LabelArray, image_HW: FloatArray, typical: float, polarity: float) -> tuple[Outline, ...]:
    """Discs of typical size at the strongest blobs of the support, as many as there are particles."""
    from scipy import ndimage as ndi

    blobs = -polarity * ndi.gaussian_laplace(image_HW.astype(np.float32), typical / np.sqrt(8))
    free = ndi.distance_transform_edt(label_HW == 0) > 0.8 * typical
    peaks = (blobs == ndi.maximum_filter(blobs, int(typical) | 1)) & free & (blobs > 0)
    places = np.argwhere(peaks)
    places = places[np.argsort(-blobs[peaks], kind="stable")][: int(label_HW.max())]
    return tuple(_disc(int(y), int(x), typical, label_HW.shape) for y, x in places)


def _disc(y: int, x: int, diameter: float, shape_HW: tuple[int, int]) -> Outline:
    window = grown((slice(y, y + 1), slice(x, x + 1)), int(np.ceil((0.5 + REACH) * diameter)) + 2, shape_HW)
    rows, columns = np.ogrid[window]
    return _outline(np.hypot(rows - y, columns - x) <= diameter / 2, window, diameter, 0.0)
