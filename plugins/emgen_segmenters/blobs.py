"""Spots of every size in one image, and which of them are particles.

Particles stand out from a support that varies more than they do, so no threshold on brightness finds them. In a
scale space (Laplacian of Gaussian) support and noise give bright and dark spots alike, particles only bright ones. The
dark spots therefore measure what chance makes: at every size the threshold is set where it lets pass only a given
share of false spots (a false discovery rate with a mirrored null). Spots that sit on top of each other over several
sizes are one object, whose size is the one at which it responds most.

Images are (H, W) float32 with bright particles; positions and diameters in px of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

FloatArray = NDArray[np.float32]

STEP = 2**0.5
"""Ratio of neighbouring sizes."""
_PERSISTENCE = 3
"""Neighbouring sizes that must see an object; a chance spot of noise seldom reaches the next size."""
_MARGIN = 1.5
"""How far above the strongest dark spot a bright one passes without statistics."""
_FLOOR = 0.75
"""Least evidence of a spot, however few dark ones there are."""
_NEIGHBOURHOOD = 0.7
"""Diameters around a spot in which its ring of the opposite sign lies."""
_WITHIN, _LARGEST_RATIO, _PART = 0.55, 6.0, 0.8
"""A spot is part of a larger one if it lies within so many of its diameters, is at most so many times smaller, and has
less than this share of its evidence."""


@dataclass(frozen=True, slots=True)
class Spots:
    """K spots: (K, 2) positions, (K,) diameters, scale-normalised responses, and evidence.

    Evidence is the response over that of chance, in units of the strongest that chance would make among so many spots.
    """

    place: NDArray[np.float64]
    diameter: NDArray[np.float64]
    response: NDArray[np.float64]
    evidence: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.diameter)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Spots:
        return Spots(self.place[chosen], self.diameter[chosen], self.response[chosen], self.evidence[chosen])


def find_objects(image_HW: FloatArray, smallest: float, largest: float, false_rate: float) -> Spots:
    """One spot an object, for diameters from ``smallest`` to ``largest`` px."""
    layers = []
    for diameter, factor, response_HW in scale_space(image_HW, smallest, largest):
        layers.append(_significant(response_HW, diameter, factor, false_rate))
    return _wholes(_linked(layers))


def scale_space(image_HW: FloatArray, smallest: float, largest: float) -> Iterator[tuple[float, int, FloatArray]]:
    """(diameter, reduction, response of the image reduced so many times), from fine to coarse."""
    level, factor, blur, diameter = np.asarray(image_HW, np.float32), 1, 0.5, smallest
    while diameter <= largest and min(level.shape) >= 12:
        sigma = diameter / (2 * 2**0.5) / factor
        if sigma >= 2.8:
            level = ndimage.gaussian_filter(level, 1.0, truncate=3.0)[::2, ::2]
            factor, sigma, blur = 2 * factor, sigma / 2, 0.55
            continue
        smooth = ndimage.gaussian_filter(level, max(sigma**2 - blur**2, 0.01) ** 0.5, truncate=3.0)
        yield diameter, factor, -np.float32(sigma**2) * ndimage.laplace(smooth)
        diameter *= STEP


def _significant(response_HW: FloatArray, diameter: float, factor: int, false_rate: float) -> Spots:
    """Bright spots of one size beyond what dark spots show to be chance."""
    chance_HW = _chance(response_HW, diameter / factor)
    reach = _NEIGHBOURHOOD * diameter / factor
    bright, dark = _maxima(response_HW, reach), _maxima(-response_HW, reach)
    evidence = response_HW[bright] / chance_HW[bright]
    certain = np.sqrt(2 * np.log(max(len(evidence), 2)))
    threshold = _mirrored_threshold(evidence, -response_HW[dark] / chance_HW[dark], false_rate)
    passed = evidence >= max(threshold, _FLOOR * certain)
    place = np.stack(bright, 1)[passed] * float(factor)
    return Spots(place, np.full(len(place), diameter), response_HW[bright][passed], evidence[passed] / certain)


def _chance(response_HW: FloatArray, diameter: float) -> FloatArray:
    """(H, W) local strength of what isn't particles: root mean square of negative responses in a wide neighbourhood."""
    step = max(int(diameter), 1)
    coarse = _reduced(np.square(np.minimum(response_HW, 0.0)), step, np.mean)
    wide = np.maximum(ndimage.gaussian_filter(coarse, 4.0 * diameter / step, mode="reflect"), 0.0)
    strength = np.sqrt(2.0 * wide)
    strength = np.maximum(strength, max(0.3 * float(np.median(strength)), 1e-7))
    return _expanded(strength, step, response_HW.shape)


def _maxima(response_HW: FloatArray, reach: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of positive local maxima that no stronger spot of the opposite sign within ``reach`` px explains.

    Every spot has a ring of the opposite sign around it, and between two particles the rings add up to a dark spot.
    """
    middle = response_HW[1:-1, 1:-1]
    top = (middle > 0) & (middle >= response_HW[:-2, 1:-1]) & (middle > response_HW[2:, 1:-1])
    top &= (middle >= response_HW[1:-1, :-2]) & (middle > response_HW[1:-1, 2:])
    y, x = np.nonzero(top)
    y, x = y + 1, x + 1
    corners = [response_HW[y + down, x + right] for down in (-1, 1) for right in (-1, 1)]
    step = 2
    strongest = _reduced(-response_HW, step, np.max)
    strongest = ndimage.maximum_filter(strongest, 2 * round(reach / step) + 1)
    rival = np.maximum(np.max(corners, axis=0), strongest[y // step, x // step])
    alone = response_HW[y, x] > rival
    return y[alone], x[alone]


def _reduced(image_HW: FloatArray, step: int, how: Callable[..., Any]) -> FloatArray:
    """Blocks of ``step`` px a side, each reduced to one value; the border is repeated to fill the last ones."""
    if step == 1:
        return image_HW
    height, width = image_HW.shape
    padded = np.pad(image_HW, ((0, -height % step), (0, -width % step)), mode="edge")
    rows = how(padded.reshape(-1, step, padded.shape[1]), axis=1)
    return np.asarray(how(rows.reshape(len(rows), -1, step), axis=2), np.float32)


def _expanded(coarse_HW: FloatArray, step: int, shape_HW: tuple[int, ...]) -> FloatArray:
    rows, columns = np.arange(shape_HW[0]) // step, np.arange(shape_HW[1]) // step
    return np.asarray(coarse_HW[np.ix_(rows, columns)], np.float32)


def _mirrored_threshold(bright: FloatArray, dark: FloatArray, false_rate: float) -> float:
    """Lowest threshold at which dark spots are at most ``false_rate`` of the bright ones.

    That rate can't be shown with a handful of particles; a spot well above every dark one passes all the same.
    """
    ranked, null = np.sort(bright)[::-1], np.sort(dark)
    false = len(null) - np.searchsorted(null, ranked, side="left") + 1
    good = np.flatnonzero(false <= false_rate * np.arange(1, len(ranked) + 1))
    certain = _MARGIN * float(null[-1]) if len(null) else 0.0
    return min(float(ranked[good[-1]]) if len(good) else np.inf, certain)


def _linked(layers: list[Spots]) -> Spots:
    """Chains of concentric spots through neighbouring sizes, each reduced to its strongest member."""
    chains: list[list[tuple[int, int]]] = []
    open_chains: dict[int, list[tuple[int, int]]] = {}
    for size, layer in enumerate(layers):
        continued: dict[int, list[tuple[int, int]]] = {}
        below = layers[size - 1] if size else layer.take(np.zeros(len(layer), bool))
        partners = _concentric(below, layer)
        for index in range(len(layer)):
            chain = open_chains.get(int(partners[index])) if partners[index] >= 0 else None
            if chain is None:
                chain = []
                chains.append(chain)
            chain.append((size, index))
            continued[index] = chain
        open_chains = continued
    best = [_characteristic(chain, layers) for chain in chains if _persists(chain, len(layers))]
    picked = [layers[size].take(np.array([index])) for size, index in best]
    return Spots(*(np.concatenate([getattr(spot, name) for spot in [_NONE, *picked]]) for name in Spots.__slots__))


_NONE = Spots(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0))


def _wholes(spots: Spots) -> Spots:
    """Without spots inside a somewhat larger one of far more evidence: corners and texture of one particle.

    A particle on a support's grain stays, since the grain, with as many dark spots as bright, has little evidence.
    """
    if len(spots) < 2:
        return spots
    part = np.zeros(len(spots), bool)
    tree = cKDTree(spots.place)
    for whole in np.argsort(-spots.diameter, kind="stable"):
        near = np.array(tree.query_ball_point(spots.place[whole], _WITHIN * spots.diameter[whole]))
        ratio = spots.diameter[whole] / spots.diameter[near]
        weak = spots.evidence[near] < _PART * spots.evidence[whole]
        part[near[(ratio > 1.2) & (ratio < _LARGEST_RATIO) & weak]] = True
    return spots.take(~part)


def _concentric(fine: Spots, coarse: Spots) -> NDArray[np.int64]:
    """For each coarse spot the fine one that it continues, or -1; each fine one is continued once."""
    partners = np.full(len(coarse), -1, np.int64)
    if not len(fine) or not len(coarse):
        return partners
    reach = 0.3 * float(coarse.diameter[0])
    distance, nearest = cKDTree(fine.place).query(coarse.place, distance_upper_bound=reach)
    taken: set[int] = set()
    for index in np.argsort(distance, kind="stable"):
        if np.isfinite(distance[index]) and int(nearest[index]) not in taken:
            partners[index] = nearest[index]
            taken.add(int(nearest[index]))
    return partners


def _persists(chain: list[tuple[int, int]], sizes: int) -> bool:
    return len(chain) >= min(_PERSISTENCE, sizes)


def _characteristic(chain: list[tuple[int, int]], layers: list[Spots]) -> tuple[int, int]:
    """The member with the first clear maximum of the response, from fine to coarse."""
    responses = np.array([layers[size].response[index] for size, index in chain])
    best = 0
    for position in range(1, len(responses)):
        if responses[position] > responses[best]:
            best = position
        elif responses[position] < 0.93 * responses[best]:
            break
    return chain[best]
