"""By how much the specimen moved between two frames: from its particles, or from the images.

Particles vote: every pair of a particle before and one of about its size after says one displacement; the true one is
said by many, wrong ones by few, however far the stage went. Images are compared by cross-correlation
(``skimage.registration``, Guizar-Sicairos et al., Opt. Lett. 33 (2008) 156).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
VOTERS = 400
"""The largest particles of a frame vote; more would add time and no certainty."""
ALIKE = 0.5
"""Greatest difference of the logarithms of two areas that may be one particle's."""
NEAR = 0.35
"""Displacements so many median diameters apart are one."""
FEWEST, LEAST_SHARE = 3, 0.25
"""Votes that decide, and their least share of the particles of the frame that has fewer."""
SIDE = 1024
"""Larger images are reduced to about so many pixels before they are compared."""


@dataclass(frozen=True, slots=True)
class Points:
    """The particles of a frame: ``place_K2`` (y, x) and ``area_K`` in px, ``whole_K`` not cut by the edge."""

    place_K2: Array
    area_K: Array
    whole_K: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.area_K)

    @property
    def diameter(self) -> float:
        """Median equivalent diameter in px; NaN if there is no particle."""
        return float(np.median(np.sqrt(4 / np.pi * self.area_K))) if len(self) else float("nan")


def shift_of_particles(before: Points, after: Points) -> Array | None:
    """(y, x) in px from the places before to those after; None where too few agree."""
    from scipy.spatial import KDTree

    first, second = _voters(before), _voters(after)
    if not len(first) or not len(second):
        return None
    alike = np.abs(np.log(second.area_K[None] / first.area_K[:, None])) < ALIKE
    said = (second.place_K2[None] - first.place_K2[:, None])[alike]
    if not len(said):
        return None
    tree, reach = KDTree(said), NEAR * max(first.diameter, 3.0)
    votes = tree.query_ball_point(said, reach, return_length=True)
    if votes.max() < max(FEWEST, LEAST_SHARE * min(len(first), len(second))):
        return None
    shift: Array = np.median(said[tree.query_ball_point(said[votes.argmax()], reach)], axis=0)
    return shift


def shift_of_images(before_HW: NDArray[Any], after_HW: NDArray[Any]) -> Array:
    """(y, x) in px by which what the second image shows lies displaced against the first; up to half a side."""
    from skimage.registration import phase_cross_correlation

    step = max(1, -(-max(before_HW.shape) // SIDE))
    pictures = [_prepared(image_HW, step) for image_HW in (before_HW, after_HW)]
    # Normalised to phases alone, it follows the noise: errors of 1 to 3 px instead of 0.1 on phantom series.
    shift, _, _ = phase_cross_correlation(*pictures, upsample_factor=10, normalization=None)
    found: Array = -np.asarray(shift, float) * step
    return found


def _voters(points: Points) -> Points:
    """Whole particles, as the middle of one cut by the edge moves with the edge; all where few are whole."""
    rows = np.flatnonzero(points.whole_K)
    if len(rows) < 2 * FEWEST:
        rows = np.arange(len(points))
    rows = rows[np.argsort(-points.area_K[rows], kind="stable")[:VOTERS]]
    return Points(points.place_K2[rows], points.area_K[rows], points.whole_K[rows])


def _prepared(image_HW: NDArray[Any], step: int) -> NDArray[np.float32]:
    """Reduced, without brightness and slow changes of it, faded towards the edges."""
    from scipy import ndimage as ndi

    height, width = (side // step * step for side in image_HW.shape)
    blocks = np.asarray(image_HW[:height, :width], np.float32)
    small = blocks.reshape(height // step, step, width // step, step).mean((1, 3))
    passed = ndi.gaussian_filter(small, 1.0) - ndi.gaussian_filter(small, max(small.shape) / 16)
    flat = np.clip(passed / (passed.std() + 1e-9), -4, 4)
    return np.asarray(flat * np.hanning(flat.shape[0])[:, None] * np.hanning(flat.shape[1]), np.float32)
