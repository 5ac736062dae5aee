"""Does a label image belong to its micrograph, and does it lie where the particles are?

Label and micrograph are correlated at every shift. At the right one the labelled pixels differ from what is around them
as they do nowhere else; the other shifts say how much is chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.data.resize import resize_image
from emgen.doctor.orient import ORIENTATIONS, oriented
from emgen.particles import equivalent_diameters
from emgen.stages import FloatArray, LabelArray

SIDE, LEAST_DIAMETER = 512, 6.0
"""Images are reduced to this side, but not so far that particles fall below that diameter."""
SAMPLED = 200
"""Particles whose contrast is looked at one by one."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a label lies on its micrograph; lengths in native pixels.

    Attributes
    ----------
    score: correlation of label and image as they lie, in standard deviations over all shifts; positive for bright
        particles, negative for dark ones. turned: the greatest size of it in another orientation, and which.
    shift_YX: by which the label must move to lie best, within a diameter; ``gain``: score there over score as it lies.
    contrary: share of the particles whose contrast has the other sign than most, of ``judged`` ones.
    diameter: median, of the labelled particles.
    """

    score: float
    turned: tuple[float, int]
    shift_YX: tuple[float, float]
    gain: float
    contrary: float
    judged: int
    diameter: float


def fit_of(label_HW: LabelArray, image_HW: NDArray[Any]) -> Fit:
    """(H, W) instances with at least one particle, and (H, W) in any units."""
    image_HW = np.ascontiguousarray(image_HW, dtype=np.float32)
    diameter = float(np.median(equivalent_diameters(label_HW)))
    signs = _contrast_signs(label_HW, image_HW)
    factor = min(1.0, max(SIDE / max(image_HW.shape), LEAST_DIAMETER / diameter))
    mask, image = (resize_image(a, factor) for a in ((label_HW > 0).astype(np.float32), image_HW))
    flat = _flat(image, diameter * factor)
    surface = _surface(mask, flat)
    score = float(surface[0, 0])
    # Whichever sign: one that lies between the particles has the wrong one.
    shift, best = _nearby_best(np.abs(surface), max(3, round(diameter * factor)))
    return Fit(
        score=score,
        turned=_turned(mask, flat),
        shift_YX=(shift[0] / factor, shift[1] / factor),
        gain=float(best / max(abs(score), 1e-6)),
        contrary=float(min(signs.count(1.0), signs.count(-1.0)) / len(signs)) if signs else 0.0,
        judged=len(signs),
        diameter=diameter,
    )


def _flat(image_HW: FloatArray, diameter: float) -> FloatArray:
    """Only what is about as wide as a particle, with outliers held in."""
    from scipy import ndimage

    flat = ndimage.gaussian_filter(image_HW, 0.12 * diameter) - ndimage.gaussian_filter(image_HW, 0.5 * diameter)
    flat /= flat.std() + 1e-9
    clipped: FloatArray = np.clip(flat, -4, 4).astype(np.float32)
    return clipped


def _surface(mask_HW: FloatArray, flat_HW: FloatArray) -> FloatArray:
    """(H, W) correlation at every cyclic shift of the mask, in standard deviations over the shifts."""
    from scipy import fft

    shape = mask_HW.shape
    product = fft.rfft2(flat_HW) * np.conj(fft.rfft2(mask_HW - mask_HW.mean()))
    surface = fft.irfft2(product, s=shape)
    scaled: FloatArray = (surface / (surface.std() + 1e-12)).astype(np.float32)
    return scaled


def _nearby_best(surface_HW: FloatArray, reach: int) -> tuple[tuple[int, int], float]:
    steps = np.arange(-reach, reach + 1)
    near = surface_HW[np.ix_(steps % surface_HW.shape[0], steps % surface_HW.shape[1])]
    y, x = np.unravel_index(int(near.argmax()), near.shape)
    return (int(steps[y]), int(steps[x])), float(near[y, x])


def _turned(mask_HW: FloatArray, flat_HW: FloatArray) -> tuple[float, int]:
    scores = [(0.0, 0)]
    for turn in range(1, ORIENTATIONS):
        other = oriented(mask_HW, turn)
        if other.shape == mask_HW.shape:
            scores.append((abs(float(_surface(np.ascontiguousarray(other), flat_HW)[0, 0])), turn))
    return max(scores)


def _contrast_signs(label_HW: LabelArray, image_HW: FloatArray) -> list[float]:
    """Of some particles, the sign of each one's mean against that of a ring around it, if it is sure at all."""
    from scipy import ndimage

    boxes = [(n, box) for n, box in enumerate(ndimage.find_objects(label_HW), start=1) if box is not None]
    signs = []
    for number, box in boxes[:: max(1, len(boxes) // SAMPLED)]:
        wide = tuple(slice(max(0, side.start - 4), side.stop + 4) for side in box)
        part, image = label_HW[wide], image_HW[wide]
        own = part == number
        ring = ndimage.binary_dilation(own, iterations=4) & ~ndimage.binary_dilation(own) & (part == 0)
        if ring.sum() >= 8:
            difference = image[own].mean() - image[ring].mean()
            error = np.sqrt(image[own].var() / own.sum() + image[ring].var() / ring.sum())
            if abs(difference) > 2 * error:
                signs.append(float(np.sign(difference)))
    return signs
