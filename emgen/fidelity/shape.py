"""A particle's outline as a stencil that can be laid anywhere: its core, its rim, and two rings around it.

Q: pixels of the stencil, P: places it is laid at, C: its four zones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.fidelity.field import Field

CORE, RIM, RING, FAR = range(4)
LEAST_INSIDE, LEAST_RING = 0.6, 0.12
"""Shares of the particle and of its ring that must be measurable (not hidden by other particles)."""
MOST_PIXELS = 1200
"""Of a large stencil so many pixels are looked at, chosen at random; they are more than enough for a mean."""


@dataclass(frozen=True, slots=True)
class Stencil:
    """Offsets (Q, 2) from its centre, zone of each (Q, C) as 0 and 1, number of pixels in each zone (C,)."""

    offsets_Q2: NDArray[np.int32]
    zones_QC: NDArray[np.float32]
    counts_C: NDArray[np.float32]
    radius: float


def stencil_of(mask_HW: NDArray[np.bool_], corner: tuple[int, int], centre: tuple[int, int]) -> Stencil:
    """Of a particle's mask, padded wide enough for the rings; ``corner``: place of its first pixel in the image.

    Zones by distance from the outline. A pixel's width outside the outline is left out: there the probe mixes both.
    """
    from scipy.ndimage import distance_transform_edt

    radius = float(np.sqrt(mask_HW.sum() / np.pi))
    inward, outward = distance_transform_edt(mask_HW), distance_transform_edt(~mask_HW)
    rim, ring = min(2.0, max(1.0, 0.45 * radius)), ring_width(radius)
    zone_HW = np.full(mask_HW.shape, -1)
    zone_HW[mask_HW] = np.where(inward[mask_HW] > rim, CORE, RIM)
    zone_HW[(outward > 1) & (outward <= 1 + ring)] = RING
    zone_HW[(outward > 1 + ring) & (outward <= 1 + 2 * ring)] = FAR
    if not (zone_HW == CORE).any():
        zone_HW[inward == inward.max()] = CORE
    ys, xs = np.nonzero(zone_HW >= 0)
    if len(ys) > MOST_PIXELS:
        chosen = np.sort(np.random.default_rng(0).permutation(len(ys))[:MOST_PIXELS])
        ys, xs = ys[chosen], xs[chosen]
    offsets = np.stack([ys + corner[0] - centre[0], xs + corner[1] - centre[1]], axis=1).astype(np.int32)
    zones = np.eye(4, dtype=np.float32)[zone_HW[ys, xs]]
    return Stencil(offsets, zones, zones.sum(axis=0), radius)


def ring_width(radius: float) -> float:
    """Pixels: narrow, so that the support hardly changes from the particle to its ring."""
    return max(2.0, 0.35 * radius)


def margin(radius: float) -> int:
    """Pixels around a mask that its stencil needs."""
    return int(np.ceil(2 * ring_width(radius))) + 2


def reach(radius: float) -> int:
    """Pixels from a particle's centre to the outermost pixel of its stencil, displaced; long ones reach farther."""
    return int(np.ceil(4.5 * radius)) + 2 * margin(radius)


@lru_cache(maxsize=256)
def disc(radius: float) -> Stencil:
    side = int(np.ceil(radius)) + margin(radius)
    y, x = np.ogrid[-side : side + 1, -side : side + 1]
    return stencil_of(y * y + x * x <= radius * radius, (-side, -side), (0, 0))


def features(
    field: Field, weight: NDArray[np.float32], stencil: Stencil, places_P2: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(P, 3) core - ring, rim - ring, ring - far at each place in units of the local spread, and (P,) which of them
    could be measured. ``weight``: of the padded field's pixels; those of weight 0 do not count."""
    width = field.padded.shape[1]
    steps_Q = stencil.offsets_Q2[:, 0] * width + stencil.offsets_Q2[:, 1]
    places = np.asarray(places_P2, np.int64)
    flat = ((places[:, 0] + field.pad) * width + places[:, 1] + field.pad)[:, None] + steps_Q
    weight_PQ = weight.ravel().take(flat)
    count_PC = weight_PQ @ stencil.zones_QC
    weight_PQ *= field.padded.ravel().take(flat)
    mean_PC = (weight_PQ @ stencil.zones_QC) / np.maximum(count_PC, 1e-6)
    at = np.clip(places, 0, np.array(field.spread_HW.shape) - 1)
    contrast, usable = _contrasts(mean_PC, count_PC, stencil.counts_C)
    return contrast / field.spread_HW[at[:, 0], at[:, 1]][:, None], usable


def _contrasts(
    mean_PC: NDArray[Any], count_PC: NDArray[Any], whole_C: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(P, 3) differences of the zones' means; a zone that is hidden is replaced by the one beside it."""
    share_PC = count_PC / np.maximum(whole_C, 1)
    seen = share_PC >= LEAST_RING
    far = np.where(seen[:, FAR], mean_PC[:, FAR], mean_PC[:, RING])
    ring = np.where(seen[:, RING], mean_PC[:, RING], far)
    core = np.where(count_PC[:, CORE] > 0, mean_PC[:, CORE], mean_PC[:, RIM])
    rim = np.where(count_PC[:, RIM] > 0, mean_PC[:, RIM], core)
    inside = count_PC[:, CORE] + count_PC[:, RIM]
    usable = (inside >= LEAST_INSIDE * (whole_C[CORE] + whole_C[RIM])) & (seen[:, RING] | seen[:, FAR])
    return np.stack([core - ring, rim - ring, ring - far], axis=1).astype(np.float64), usable
