"""What the generator is shown: a mask alone determines neither background, noise nor how bright a particle is.

The channels of a condition (C, H, W), images and differences of the [0, 1] scale:

    0  mask        1 inside a particle
    1  contrast    inside a particle: its mean brightness above the background, one value a particle
    2  dome        inside a particle: distance to its edge over the largest, 0 … 1
    3  background  the micrograph with its particles painted out, smoothed
    4  noise       the micrograph minus its smoothed self, particles painted over with noise from elsewhere

Channels 3 and 4 come from real micrographs and must hold no trace of their particles: a generator that sees particles
shine through learns to copy them and ignores the mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from emgen.stages import FloatArray, LabelArray

CHANNELS = 5
_NOISE_SIGMA = 1.0


@dataclass(frozen=True, slots=True)
class Scene:
    """Background and noise of one micrograph, free of particles; each (H, W)."""

    background_HW: FloatArray
    noise_HW: FloatArray


def scene(image_HW: FloatArray, label_HW: LabelArray, sigma: float, margin: float) -> Scene:
    """Takes a micrograph apart. ``sigma``, ``margin`` in px.

    Rounded to what ``Pix2Pix.save`` keeps (float16), so that a loaded GAN generates what the saved one did.
    """
    holes = ndi.binary_dilation(label_HW > 0, iterations=max(1, round(margin)))
    painted = paint_out(image_HW, holes)
    background = ndi.gaussian_filter(painted, sigma, mode="reflect")
    residual = image_HW - ndi.gaussian_filter(image_HW, _NOISE_SIGMA, mode="reflect")
    noise = _fill_from_elsewhere(residual, holes)
    kept = (part.astype(np.float16).astype(np.float32) for part in (background, noise))
    return Scene(*kept)


def paint_out(image_HW: FloatArray, holes_HW: np.ndarray) -> FloatArray:
    """Fills holes from their surroundings: averages of what is known, within ever wider Gaussians."""
    if not holes_HW.any() or holes_HW.all():
        return image_HW.astype(np.float32)
    known = (~holes_HW).astype(np.float32)
    filled, missing = image_HW * known, holes_HW.copy()
    for sigma in (2.0, 4.0, 8.0, 16.0, 32.0, 64.0):
        weight = ndi.gaussian_filter(known, sigma, mode="reflect")
        value = ndi.gaussian_filter(image_HW * known, sigma, mode="reflect") / np.maximum(weight, 1e-6)
        reached = missing & (weight > 0.05)
        filled[reached] = value[reached]
        missing &= ~reached
    filled[missing] = float(image_HW[~holes_HW].mean())
    return filled.astype(np.float32)


def _fill_from_elsewhere(noise_HW: FloatArray, holes_HW: np.ndarray) -> FloatArray:
    """Copies into the holes what stands in the mirrored or turned image, where that is no hole itself."""
    out, left = noise_HW.copy(), holes_HW.copy()
    for turn in (np.fliplr, np.flipud, lambda a: a[::-1, ::-1]):
        take = left & ~turn(holes_HW)
        out[take] = turn(noise_HW)[take]
        left &= ~take
    known = noise_HW[~holes_HW]
    if left.any():
        out[left] = np.resize(known, int(left.sum())) if known.size else 0.0
    return out


def contrasts(image_HW: FloatArray, background_HW: FloatArray, label_HW: LabelArray) -> tuple[FloatArray, FloatArray]:
    """Of each particle 1 … K: equivalent diameter in px and mean brightness above the background; each (K,)."""
    index = np.arange(1, int(label_HW.max()) + 1)
    if not index.size:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    area = np.bincount(label_HW.ravel(), minlength=index.size + 1)[1:]
    mean = ndi.mean(image_HW - background_HW, label_HW, index)
    present = area > 0
    return np.sqrt(4 / np.pi * area[present]).astype(np.float32), np.nan_to_num(mean[present]).astype(np.float32)


def particle_channels(label_HW: LabelArray, contrast_K: FloatArray) -> FloatArray:
    """Mask, contrast and dome of instances; ``contrast_K`` by rank of the labels present. (3, H, W)."""
    present, rank = np.unique(label_HW, return_inverse=True)
    rank = rank.reshape(label_HW.shape)
    if present[0] != 0:  # no background pixel at all
        rank, present = rank + 1, np.concatenate([[0], present])
    value = np.concatenate([[0.0], contrast_K]).astype(np.float32)
    return np.stack([(label_HW > 0).astype(np.float32), value[rank], dome(rank, len(present) - 1)])


def dome(label_HW: np.ndarray, count: int) -> FloatArray:
    """Distance to the particle's own edge over its largest such distance; 0 outside."""
    if count == 0:
        return np.zeros(label_HW.shape, np.float32)
    inner = label_HW > 0
    for axis in (0, 1):  # a pixel next to another particle is an edge too
        for shift in (1, -1):
            inner &= (np.roll(label_HW, shift, axis) == label_HW) | (np.roll(label_HW, shift, axis) == 0)
    distance = ndi.distance_transform_edt(np.pad(inner, 1, mode="edge"))[1:-1, 1:-1]
    peak = np.concatenate([[1.0], np.maximum(ndi.maximum(distance, label_HW, np.arange(1, count + 1)), 1e-6)])
    result: FloatArray = (distance / peak[label_HW] * (label_HW > 0)).astype(np.float32)
    return result


class ContrastLaw:
    """Measured pairs (diameter, contrast); draws a contrast for a particle from those of like size."""

    def __init__(self, diameter_K: FloatArray, contrast_K: FloatArray) -> None:
        self.diameter, self.contrast = diameter_K, contrast_K

    @classmethod
    def fit(cls, diameter_K: FloatArray, contrast_K: FloatArray) -> ContrastLaw:
        """Drops the fifth with the weakest contrast: rough particles that are most likely none."""
        if diameter_K.size < 5:
            return cls(diameter_K, contrast_K)
        keep = np.abs(contrast_K) >= np.quantile(np.abs(contrast_K), 0.2)
        keep &= np.sign(contrast_K) == np.sign(np.median(contrast_K))
        return cls(diameter_K[keep], contrast_K[keep])

    def draw(self, diameter_K: FloatArray, faintest: float, rng: np.random.Generator) -> FloatArray:
        """(K,) diameters -> (K,) contrasts: one of the 25 nearest in size, times a factor ``faintest`` … 1.1."""
        if not self.diameter.size or not diameter_K.size:
            return np.zeros(diameter_K.size, np.float32)
        order = np.abs(np.log(self.diameter)[None] - np.log(diameter_K)[:, None]).argsort(1, kind="stable")
        near = order[:, : min(25, self.diameter.size)]
        pick = near[np.arange(len(near)), rng.integers(near.shape[1], size=len(near))]
        drawn: FloatArray = (self.contrast[pick] * rng.uniform(faintest, 1.1, len(pick))).astype(np.float32)
        return drawn
