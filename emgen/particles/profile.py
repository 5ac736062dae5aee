"""How bright particles are from their centre to their outline and beyond, on average: are the outlines where edges are?

A particle on a support adds its thickness to the image: all of it at its centre, none at its edge. The mean brightness
of many particles against the distance from their outlines, in units of their radius, therefore tells where their true
edge lies, within some percent where there are hundreds, however noisy each one is. Lengths are in px, images (H, W)
float32 with bright particles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emgen.stages import FloatArray, LabelArray

FAR = 1.7
"""Radii from the centre up to which brightness is followed."""
_GRID = np.linspace(0.2, FAR, 31)
_RING = (1.35, 1.75)
"""Radii between which the surroundings are taken, as a plane: supports slope."""
_LEAST_DIAMETER = 7.0
_ROUND = 1.5
"""Ratio of height and width up to which a particle is taken for round."""
_COMPACT = 0.75
"""Least depth of a particle over the radius of the disc of equal area."""
_ENOUGH = 20
"""Particles below which the mean says too little."""
_LIMITS = ([0.7, 0.0, 0.3, -0.3, 0.05], [1.4, 1.0, 2.0, 0.3, 0.4])


@dataclass(frozen=True, slots=True)
class EdgeProfile:
    """A fit to the mean brightness of particles.

    Attributes
    ----------
    ratio: true radius over that of the outlines; above 1 the outlines are too small.
    flatness: 0 a sphere's profile, 1 a disc's.
    blur: of the edge, over the radius.
    particles: how many it rests on.
    """

    ratio: float
    flatness: float
    blur: float
    particles: int


def edge_profile(pairs: Iterable[tuple[FloatArray, LabelArray]]) -> EdgeProfile | None:
    """Of (H, W) images and their instances; ``None`` where fewer than 20 particles are round, whole and alone."""
    rows = [row for image_HW, label_HW in pairs for row in _profiles(image_HW, label_HW)]
    if len(rows) < _ENOUGH:
        return None
    weight_K = np.array([weight for weight, _ in rows])
    value_KR = np.stack([values for _, values in rows])
    weight_KR = np.minimum(weight_K, np.quantile(weight_K, 0.8))[:, None] * np.isfinite(value_KR)
    total = weight_KR.sum(axis=0)
    mean = (np.nan_to_num(value_KR) * weight_KR).sum(axis=0) / np.maximum(total, 1e-12)
    return _fit(mean, total > 0, len(rows))


def corrected(label_HW: LabelArray, ratio: float) -> LabelArray:
    """Instances with each outline moved so that its radius changes by ``ratio``; none grows over another."""
    from scipy import ndimage as ndi
    from skimage.segmentation import expand_labels

    areas = np.bincount(label_HW.ravel())
    move = (ratio - 1) * np.sqrt(areas / np.pi)
    if ratio >= 1:
        wide = np.asarray(expand_labels(label_HW, 1 + float(move[1:].max(initial=0))))
        distance = ndi.distance_transform_edt(label_HW == 0) - 0.5
        return np.where(distance <= move[wide], wide, label_HW).astype(np.int32)
    depth = ndi.distance_transform_edt(_inner(label_HW)) + 0.5
    return np.where(depth > -move[label_HW], label_HW, 0).astype(np.int32)


def _inner(label_HW: LabelArray) -> NDArray[np.bool_]:
    """Pixels of an instance whose neighbours above, below and beside are its own too."""
    inner = label_HW > 0
    padded = np.pad(label_HW, 1, mode="edge")
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        inner &= padded[dy : dy + label_HW.shape[0], dx : dx + label_HW.shape[1]] == label_HW
    return inner


def _profiles(image_HW: FloatArray, label_HW: LabelArray) -> Iterable[tuple[float, NDArray[np.float64]]]:
    """Of each particle that is round, whole and by itself: its weight, and its brightness on the grid of radii."""
    from scipy import ndimage as ndi

    for number, box in enumerate(ndi.find_objects(label_HW), start=1):
        if box is None:
            continue
        area = int(np.count_nonzero(label_HW[box] == number))
        radius = float(np.sqrt(area / np.pi))
        height, width = (side.stop - side.start for side in box)
        if 2 * radius < _LEAST_DIAMETER or max(height, width) > _ROUND * min(height, width):
            continue
        reach = int(np.ceil(0.9 * radius)) + 2
        window = tuple(slice(side.start - reach, side.stop + reach) for side in box)
        if all(s.start >= 0 and s.stop <= length for s, length in zip(window, label_HW.shape, strict=True)):
            found = _profile(image_HW[window], label_HW[window], number, radius)
            if found is not None:
                yield found


def _profile(
    image: FloatArray, label: LabelArray, number: int, radius: float
) -> tuple[float, NDArray[np.float64]] | None:
    from scipy import ndimage as ndi

    own = label == number
    inward, outward = ndi.distance_transform_edt(own), ndi.distance_transform_edt(~own)
    if inward.max() < _COMPACT * radius:
        return None
    distance = 1 + np.where(own, 0.5 - inward, outward - 0.5) / radius
    alone = ~ndi.binary_dilation((label > 0) & ~own, iterations=2)
    near = (distance > 1) & (distance < FAR)
    ring = alone & (distance > _RING[0]) & (distance < _RING[1])
    if ring.sum() < 10 or (alone & near).sum() < 0.7 * near.sum():
        return None
    above = image - _plane(image, ring)
    core = float(above[distance < 0.5].mean())
    if core <= 0:
        return None
    used = alone & (distance >= _GRID[0]) & (distance <= FAR)
    step = _GRID[1] - _GRID[0]
    index = np.clip(np.rint((distance[used] - _GRID[0]) / step), 0, len(_GRID) - 1).astype(int)
    count = np.bincount(index, minlength=len(_GRID))
    total = np.bincount(index, above[used], minlength=len(_GRID))
    values = np.where(count > 0, total / np.maximum(count, 1) / core, np.nan)
    return (core / max(float(above[ring].std()), 1e-6)) ** 2, values


def _plane(image: FloatArray, ring: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The plane through the ring's brightness, everywhere."""
    rows, columns = np.indices(image.shape)
    basis = np.stack([np.ones(image.shape), rows, columns], axis=-1)
    weights, *_ = np.linalg.lstsq(basis[ring], image[ring].astype(np.float64), rcond=None)
    plane: NDArray[np.float64] = basis @ weights
    return plane


def _fit(mean: NDArray[np.float64], known: NDArray[np.bool_], particles: int) -> EdgeProfile:
    """Radius, flatness, height, offset and blur of the model nearest to the mean profile."""
    from scipy.optimize import least_squares

    def off(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return (_model(p) - mean)[known]

    starts = [[radius, flatness, 1.0, 0.0, 0.15] for radius in (0.9, 1.0, 1.1) for flatness in (0.2, 0.7)]
    found = min((least_squares(off, start, bounds=_LIMITS) for start in starts), key=lambda fit: float(fit.cost)).x
    return EdgeProfile(float(found[0]), float(found[1]), float(found[4]), particles)


def _model(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Between sphere and disc of radius p[0], height p[2] over offset p[3], blurred by p[4]; on the grid."""
    from scipy import ndimage as ndi

    fine = np.linspace(-0.3, 2.2, 251)
    step = fine[1] - fine[0]
    level = np.maximum(1 - np.abs(fine) / p[0], 0)
    inside = np.clip(
        (p[0] - np.abs(fine)) / step + 0.5, 0, 1
    )  # in parts, so that the fit feels small moves of the edge
    solid = inside * (p[1] + (1 - p[1]) * np.sqrt(level * (2 - level)))
    soft = ndi.gaussian_filter1d(solid, p[4] / step)
    shown: NDArray[np.float64] = p[2] * np.interp(_GRID, fine, soft) + p[3]
    return shown
