"""The ``rims`` rough segmenter: particles of a heap are told apart by their bright rims. R: radii, C: candidates.

In a secondary-electron micrograph brightness does not tell one particle of a heap from the next, and a threshold finds
whole heaps. But along every outline that shows, brightness falls outwards, from the rim into the crevice or onto what
lies beneath. So every pixel of an edge votes for the places where the centre of its particle may be, up the gradient
at each radius (Kimme, Ballard and Sklansky 1975; with gradients' strengths as in Loy and Zelinsky 2003), and
places that a good part of a whole circle votes for are particles. Outlines follow the edges by a watershed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from emgen.stages import Context, FloatArray, LabelArray, Stack
from emgen_sem.config import RimsConfig

STEP = 1.12
"""From one radius that is tried to the next."""
BLUR = 0.16
"""How far votes for a centre may scatter, over the radius: particles are not quite round."""
APART = 0.55
"""Centres closer than this times the sum of both radii are of one particle; the one with more votes stays."""
REACH = 1.3
"""How far from its centre a particle may reach, in radii."""
EDGE_WIDTH = 3.0
"""Pixels across a blurred edge that vote."""
SURER = 1.5
"""Circles with so many times the votes that suffice say how large particles are: a whole heap's outline votes too."""
SEED = 0.55
"""The disc of so many radii around a centre that surely belongs to it."""


@dataclass(frozen=True, slots=True)
class Circles:
    """``place_C2`` (y, x) and ``radius_C`` in px; ``share_C``: of the circle, how much voted for it."""

    place_C2: NDArray[np.float64]
    radius_C: NDArray[np.float64]
    share_C: NDArray[np.float64]

    def take(self, kept: NDArray[Any] | list[int]) -> Circles:
        return Circles(self.place_C2[kept], self.radius_C[kept], self.share_C[kept])


class Rims:
    """Implements ``emgen.stages.RoughSegmenter``. It learns nothing."""

    def __init__(self, config: RimsConfig, context: Context) -> None:
        self.config, self.polarity = config, context.polarity

    def segment(self, image_NHW: Stack) -> LabelArray:
        """(N, H, W) float32 in [0, 1] -> (N, H, W) int32 instances."""
        label_NHW = np.zeros(tuple(image_NHW.shape), np.int32)
        for number in range(len(image_NHW)):
            image_HW = np.asarray(image_NHW[number], np.float32)
            label_NHW[number] = self._one(1 - image_HW if self.polarity == "dark" else image_HW)
        return label_NHW

    def _one(self, bright_HW: FloatArray) -> LabelArray:
        smooth_HW = ndimage.gaussian_filter(bright_HW, self.config.smoothing)
        gradient_2HW = np.stack(np.gradient(smooth_HW))
        strength_HW = np.hypot(*gradient_2HW)
        circles = self._circles(gradient_2HW, strength_HW)
        return outlines(circles, strength_HW, self._foreground(smooth_HW), self.config.smallest)

    def _circles(self, gradient_2HW: FloatArray, strength_HW: FloatArray) -> Circles:
        """Those that enough of a circle votes for, best first, none within another."""
        largest = self.config.largest or min(strength_HW.shape) / 3
        count = max(2, int(np.log(largest / self.config.smallest) / np.log(STEP)) + 1)
        radii_R = self.config.smallest / 2 * STEP ** np.arange(count)
        ys, xs = np.nonzero(strength_HW > edge_strength(strength_HW))
        weight = np.minimum(1, strength_HW[ys, xs] / (2 * edge_strength(strength_HW)))
        toward = gradient_2HW[:, ys, xs] / strength_HW[ys, xs]
        votes = [_voted(ys, xs, toward, weight, radius, strength_HW.shape) for radius in radii_R]
        place_C2, radius_C, share_C = (np.concatenate(part) for part in zip(*votes, strict=True))
        found = Circles(place_C2, radius_C, share_C)
        sure = apart(found.take(share_C >= SURER * self.config.circle))
        if not len(sure.radius_C):
            return sure
        ratio = np.abs(np.log(radius_C / np.median(sure.radius_C)))
        return apart(found.take((share_C >= self.config.circle) & (ratio <= np.log(self.config.size_range))))

    def _foreground(self, smooth_HW: FloatArray) -> NDArray[np.bool_]:
        """Powder, not substrate: Otsu's threshold, and half as much above the background where shadows lie."""
        from skimage.filters import threshold_otsu

        if smooth_HW.min() == smooth_HW.max():
            return np.zeros(smooth_HW.shape, bool)
        level = float(threshold_otsu(smooth_HW))
        below = smooth_HW[smooth_HW <= level]
        return np.asarray(smooth_HW > 0.5 * (level + float(np.median(below))))


def edge_strength(strength_HW: FloatArray) -> float:
    """Gradient over which a pixel belongs to an edge: noise has Rayleigh-distributed ones, and few are four times the
    median's."""
    return 2.2 * float(np.median(strength_HW)) + 1e-6


def _voted(
    ys: NDArray[Any],
    xs: NDArray[Any],
    toward: NDArray[Any],
    weight: NDArray[Any],
    radius: float,
    shape: tuple[int, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Places (C, 2) with a local maximum of votes for a circle of that radius, the radius, and the share of it."""
    y, x = np.rint(ys + radius * toward[0]).astype(int), np.rint(xs + radius * toward[1]).astype(int)
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    flat = y[inside] * shape[1] + x[inside]
    votes_HW = np.bincount(flat, weight[inside], minlength=shape[0] * shape[1]).reshape(shape)
    blur = max(0.7, BLUR * radius)
    # An edge is a few pixels wide, and all of them vote: per length of outline, as many as the blurred peak gathers.
    gathered_HW = ndimage.gaussian_filter(votes_HW, blur) * 2 * np.pi * blur**2
    share_HW = gathered_HW / (2 * np.pi * radius) / EDGE_WIDTH
    peak_HW = (share_HW == ndimage.maximum_filter(share_HW, 2 * round(0.5 * radius) + 1)) & (share_HW > 0.05)
    rows, columns = np.nonzero(peak_HW)
    return np.c_[rows, columns].astype(float), np.full(len(rows), radius), share_HW[rows, columns]


def apart(circles: Circles) -> Circles:
    """The best first; those too close to a better one go."""
    kept: list[int] = []
    for index in np.argsort(-circles.share_C, kind="stable"):
        distance = np.linalg.norm(circles.place_C2[kept] - circles.place_C2[index], axis=1)
        if (distance >= APART * (circles.radius_C[kept] + circles.radius_C[index])).all():
            kept.append(int(index))
    return circles.take(kept)


def outlines(
    circles: Circles, strength_HW: FloatArray, foreground_HW: NDArray[np.bool_], smallest: float
) -> LabelArray:
    """(H, W) int32: what each circle's particle covers, its outline on the edges; numbered without gaps."""
    from skimage.segmentation import relabel_sequential, watershed

    markers_HW = np.zeros(strength_HW.shape, np.int32)
    near_HW = np.zeros(strength_HW.shape, bool)
    for number in range(len(circles.radius_C) - 1, -1, -1):  # the best last, over the others
        box, distance = _around(circles.place_C2[number], circles.radius_C[number], strength_HW.shape)
        markers_HW[box][distance <= SEED] = number + 1
        near_HW[box] |= distance <= REACH
    allowed_HW = near_HW & (foreground_HW | (markers_HW > 0))
    label_HW = watershed(strength_HW, markers_HW, mask=allowed_HW)
    areas = np.bincount(label_HW.ravel())
    small = areas < np.pi / 4 * smallest**2
    return relabel_sequential(np.where(small[label_HW], 0, label_HW))[0].astype(np.int32)


def _around(
    place: NDArray[np.float64], radius: float, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], NDArray[np.float64]]:
    """The box around a circle, and the distance from its centre there, in radii."""
    reach = int(np.ceil(REACH * radius)) + 1
    y, x = (int(v) for v in place)
    rows = slice(max(0, y - reach), min(shape[0], y + reach + 1))
    columns = slice(max(0, x - reach), min(shape[1], x + reach + 1))
    ys, xs = np.ogrid[rows, columns]
    return (rows, columns), np.hypot(ys - place[0], xs - place[1]) / radius
