"""What the ``self-taught`` segmenter learns from: the stack's own micrographs with particles drawn on them.

A drawn particle is a bright patch with a sharp edge, as a solid body on a support makes; where it is, is known exactly.
Everything else in the image (support, noise, scan faults, and real particles) is the micrograph's own. Images are
(H, W) float32 in [0, 1] with bright particles, lengths in px at the working scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from emgen.particles.geometry import dome
from emgen.stages import Context, FloatArray, LabelArray, MaskSampler
from emgen_torchkit.images import flip, flip_codes

_TYPICAL = 12.0
"""Diameter, px, whose contrast is drawn from the range as it is; smaller particles are thinner and so fainter."""
_DRAWN = {"diameter": 14.0, "diameter_sd": 10.0, "density": 5.0, "touching": 0.2}
"""Of the sampler: diameters in px at the working scale, particles per 100 x 100 px."""
_FINE, _COARSE = 1.5, 10.0
"""Structure between these sizes is what hides a particle; contrast is drawn in units of it."""


def sampler(context: Context) -> MaskSampler:
    """Masks of particles of very different sizes: what is not drawn is not found, and small ones are easily found."""
    from emgen.host import load_host

    registered = load_host().find("mask_sampler", "random-particles")
    made: MaskSampler = registered.create(registered.plugin.config(**_DRAWN), context)  # type: ignore[union-attr]
    return made


def lessons(
    image_HWs: Sequence[FloatArray],
    found_HWs: Sequence[LabelArray] | None,
    count: int,
    side: int,
    contrast: tuple[float, float],
    flatness: tuple[float, float],
    context: Context,
) -> tuple[FloatArray, LabelArray]:
    """(count, side, side) images and instances: drawn particles, and those found before where there are such.

    Micrographs are taken in turn, the place in each at random.
    """
    rng = np.random.default_rng([context.seed, 0x7E5])
    drawn_NHW = sampler(context).sample(count, (side, side), rng)
    images, labels = [], []
    for number, label_HW in enumerate(drawn_NHW):
        which = number % len(image_HWs)
        image_HW, known_HW = _cut(image_HWs[which], found_HWs[which] if found_HWs else None, side, context, rng)
        label_HW = without(label_HW, np.unique(label_HW[known_HW > 0]))
        images.append(draw(image_HW, label_HW, contrast, flatness, rng))
        labels.append(np.where(label_HW > 0, label_HW + known_HW.max(), known_HW))
    return np.stack(images), np.stack(labels).astype(np.int32)


def draw(
    image_HW: FloatArray,
    label_HW: LabelArray,
    contrast: tuple[float, float],
    flatness: tuple[float, float],
    rng: np.random.Generator,
) -> FloatArray:
    """The image with a bright particle on each instance.

    ``contrast``: range, log-uniform, in units of the structure at a particle's size in this image. ``flatness``: range
    of the profiles, 0 a sphere's, 1 a disc's. Edges are as soft as a probe of 0.4 to 1.1 px makes them.
    """
    count = int(label_HW.max(initial=0))
    if not count:
        return image_HW
    area = np.bincount(label_HW.ravel(), minlength=count + 1)[1:]
    thickness = np.clip(np.sqrt(4 / np.pi * area) / _TYPICAL, 0.4, 2.0) ** rng.uniform(0, 1)
    peak = strength(image_HW) * np.exp(rng.uniform(*np.log(contrast), count)) * thickness
    height = dome(label_HW, count)
    flat = rng.uniform(*flatness)
    profile = np.where(label_HW > 0, flat + (1 - flat) * np.sqrt(np.clip(height * (2 - height), 0, 1)), 0)
    added = ndimage.gaussian_filter(profile * np.append(0.0, peak)[label_HW], rng.uniform(0.4, 1.1))
    return np.clip(image_HW + added, 0, 1).astype(np.float32)


def strength(image_HW: FloatArray) -> float:
    """How strong an image's structure is at the size of particles; at least one grey level of 8 bit."""
    band = ndimage.gaussian_filter(image_HW, _FINE) - ndimage.gaussian_filter(image_HW, _COARSE)
    return max(float(np.quantile(np.abs(band), 0.8)), 1 / 255)


def without(label_HW: LabelArray, unwanted: np.ndarray) -> LabelArray:
    """The instances but some, numbered 1 … K without gaps."""
    present = np.setdiff1d(np.unique(label_HW), np.append(unwanted, 0))
    number = np.zeros(int(label_HW.max(initial=0)) + 1, np.int32)
    number[present] = np.arange(1, len(present) + 1)
    return number[label_HW]


def _cut(
    image_HW: FloatArray, found_HW: LabelArray | None, side: int, context: Context, rng: np.random.Generator
) -> tuple[FloatArray, LabelArray]:
    """A square at a random place, flipped at random; an image that is smaller is continued by reflection."""
    label_HW = np.zeros(image_HW.shape, np.int32) if found_HW is None else found_HW
    short = [(0, max(0, side - length)) for length in image_HW.shape]
    if any(after for _, after in short):
        image_HW, label_HW = np.pad(image_HW, short, mode="symmetric"), np.pad(label_HW, short, mode="symmetric")
    y, x = (int(rng.integers(length - side + 1)) for length in image_HW.shape)
    code = int(flip_codes(1, context.augmentations, rng)[0])
    window = (slice(y, y + side), slice(x, x + side))
    return flip(image_HW[window], code), flip(label_HW[window], code)
