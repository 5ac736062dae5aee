"""What the generator is shown: a mask alone determines neither background, noise nor how bright a particle is.

The channels of a condition (C, H, W), images and differences of the [0, 1] scale:

    0  mask        1 inside a particle
    1  contrast    inside a particle: its mean brightness above the background, one value a particle
    2  dome        inside a particle: distance to its edge over the largest, 0 … 1
    3  background  the micrograph with its particles painted out, smoothed
    4  noise       the painted-out micrograph minus its smoothed self; as strong as the brightness of the place asks for

Channels 3 and 4 come from real micrographs and must hold no trace of their particles: a generator that sees particles
shine through learns to copy them and ignores the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from emgen.particles.geometry import dome
from emgen.particles.paint import paint_out
from emgen.stages import FloatArray, LabelArray

CHANNELS = 5
_NOISE_SIGMA = 1.0
_TEXTURE_SIGMA = 4.0
"""Structure finer than this is moved into holes from elsewhere; coarser structure is continued from their rims."""
_LEAST_FOR_LEVEL = 3
_SOFT_RIM = 1.0
"""Width, px, over which moved structure fades in: no seam is to tell where a particle was."""


@dataclass(frozen=True, slots=True)
class NoiseLaw:
    """Variance of a pixel's noise by its brightness: ``floor + slope * brightness``, as of counted electrons."""

    floor: float
    slope: float

    @classmethod
    def fit(cls, image_HW: FloatArray, noise_HW: FloatArray, known_HW: np.ndarray) -> NoiseLaw:
        """From the median squared noise in ten classes of brightness; both coefficients at least 0."""
        bright, power = ndi.gaussian_filter(image_HW, 2.0, mode="reflect")[known_HW], np.square(noise_HW[known_HW])
        if bright.size < 100:
            return cls(float(np.float32(power.mean())) if power.size else 0.0, 0.0)
        classes = np.searchsorted(np.quantile(bright, np.linspace(0.1, 0.9, 9)), bright)
        rows = [(bright[k].mean(), np.median(power[k])) for k in (classes == c for c in range(10)) if k.any()]
        level, spread = np.array(rows, np.float64).T
        away = level - level.mean()
        slope = float(away @ spread / (away @ away)) if away @ away > 1e-9 else 0.0  # a flat crop has no slope to show
        slope = max(0.0, slope)
        slope = float(np.float32(slope))  # what `Pix2Pix.save` keeps
        return cls(float(np.float32(max(0.0, np.mean(spread - slope * level)))), slope)

    def ratio(self, to: np.ndarray, at: np.ndarray) -> FloatArray:
        """How much stronger noise is at brightness ``to`` than at ``at``; 1 where the law knows no noise."""
        there, here = (self.floor + self.slope * np.maximum(b, 0) for b in (to, at))
        return np.sqrt(np.where(here > 1e-9, there / np.maximum(here, 1e-9), 1.0)).clip(0.2, 5.0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Scene:
    """Background and noise of one micrograph, free of particles; each (H, W). ``law``: of its noise."""

    background_HW: FloatArray
    noise_HW: FloatArray
    law: NoiseLaw = NoiseLaw(0.0, 0.0)

    def channels(self, contrast_HW: FloatArray) -> FloatArray:
        """(2, H, W) background, and noise as strong as the brightness with particles of that contrast asks for."""
        lit = self.background_HW + contrast_HW
        return np.stack([self.background_HW, self.noise_HW * self.law.ratio(lit, self.background_HW)])


def scene(image_HW: FloatArray, label_HW: LabelArray, sigma: float, margin: float) -> Scene:
    """Takes a micrograph apart. ``sigma``, ``margin`` in px.

    Rounded to what ``Pix2Pix.save`` keeps (float16), so that a loaded GAN generates what the saved one did.
    """
    holes = ndi.binary_dilation(label_HW > 0, iterations=max(1, round(margin)))
    residual = image_HW - ndi.gaussian_filter(image_HW, _NOISE_SIGMA, mode="reflect")
    law = NoiseLaw.fit(image_HW, residual, ~holes)
    painted = with_texture(paint_out(image_HW, holes), holes, law)
    background = ndi.gaussian_filter(painted, sigma, mode="reflect")
    noise = painted - ndi.gaussian_filter(painted, _NOISE_SIGMA, mode="reflect")
    kept = (part.astype(np.float16).astype(np.float32) for part in (background, noise))
    return Scene(*kept, law=law)


def with_texture(painted_HW: FloatArray, holes_HW: np.ndarray, law: NoiseLaw) -> FloatArray:
    """The fine structure of elsewhere in the holes, which are else smoother than what is around them.

    Moved structure is made as strong as noise is at the brightness that it comes to.
    """
    if not holes_HW.any() or holes_HW.all():
        return painted_HW
    smooth = ndi.gaussian_filter(painted_HW, _TEXTURE_SIGMA, mode="reflect")
    unit = (painted_HW - smooth) * law.ratio(np.full_like(smooth, smooth.mean()), smooth)
    moved = _fill_from_elsewhere(unit, holes_HW) * law.ratio(smooth, np.full_like(smooth, smooth.mean()))
    depth = ndi.distance_transform_edt(holes_HW)
    weight = np.clip(depth / _SOFT_RIM, 0, 1).astype(np.float32)
    return np.where(holes_HW, painted_HW + weight * moved, painted_HW).astype(np.float32)


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


def scene_levels(contrasts_N: Sequence[FloatArray]) -> FloatArray:
    """(N,) median contrast of each scene's particles; NaN of a scene with fewer than ``_LEAST_FOR_LEVEL``."""
    enough = [c.size >= _LEAST_FOR_LEVEL for c in contrasts_N]
    levels = [np.median(c) if e else np.nan for c, e in zip(contrasts_N, enough, strict=True)]
    return np.asarray(levels, np.float32)


class ContrastLaw:
    """Measured particles; draws a contrast for a particle from those of like size in scenes of like contrast.

    ``level_K``: the median contrast of the scene that each was measured in, NaN where that is not known. A stack mixes
    materials, supports and doses: contrasts of one micrograph on the background of another are particles that nobody
    will see, or that nobody could miss.
    """

    def __init__(self, diameter_K: FloatArray, contrast_K: FloatArray, level_K: FloatArray | None = None) -> None:
        self.diameter, self.contrast = diameter_K, contrast_K
        self.level = np.full(diameter_K.shape, np.nan, np.float32) if level_K is None else level_K

    @classmethod
    def fit(cls, diameter_K: FloatArray, contrast_K: FloatArray, level_K: FloatArray | None = None) -> ContrastLaw:
        """Drops the fifth with the weakest contrast for their scene: rough particles that are most likely none."""
        law = cls(diameter_K, contrast_K, level_K)
        if diameter_K.size < 5:
            return law
        typical = np.median(contrast_K)
        relative = np.abs(contrast_K / np.where(np.sign(law.level) == np.sign(typical), law.level, typical))
        keep = (relative >= np.quantile(relative, 0.2)) & (np.sign(contrast_K) == np.sign(typical))
        return cls(diameter_K[keep], contrast_K[keep], law.level[keep])

    def draw(
        self, diameter_K: FloatArray, faintest: float, rng: np.random.Generator, level: float = np.nan
    ) -> FloatArray:
        """(K,) diameters -> (K,) contrasts: one of the 25 nearest, times a factor ``faintest`` … 1.1.

        Nearest in the logarithms of diameter and, where both are known, of the scene's ``level``.
        """
        if not self.diameter.size or not diameter_K.size:
            return np.zeros(diameter_K.size, np.float32)
        away = np.abs(np.log(self.diameter)[None] - np.log(diameter_K)[:, None]) + self._from_level(level)[None]
        near = away.argsort(1, kind="stable")[:, : min(25, self.diameter.size)]
        pick = near[np.arange(len(near)), rng.integers(near.shape[1], size=len(near))]
        drawn: FloatArray = (self.contrast[pick] * rng.uniform(faintest, 1.1, len(pick))).astype(np.float32)
        return drawn

    def _from_level(self, level: float) -> FloatArray:
        """(K,) distance of each particle's scene from one of this level; 0 where either is not known."""
        with np.errstate(divide="ignore", invalid="ignore"):
            away = np.abs(np.log(self.level / level))
        return np.nan_to_num(away, nan=0.0, posinf=0.0).astype(np.float32)
