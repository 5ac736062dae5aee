"""What is measured of instance masks before new ones are drawn after them. N: masks, K: particles of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy.spatial import cKDTree

from emgen.errors import NoParticlesError
from emgen.particles.geometry import border_labels, hull_of
from emgen.stages import Stack
from emgen_masks.placing import VISIBLE

SPECK_PX = 2.6
"""Diameter under which a whole particle counts as noise of the rough mask: less than 6 pixels."""
TRIM_FACTOR = 4.0
TRIM_DEVIATIONS = 3.5
LEAST_DEVIATION = 0.2
MOST_SHAPES = 3000
"""So many outlines say all there is to say of solidity, which is slow to measure."""

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """Attributes: ``count_N`` particles in sight; ``distance`` px from each centre to the nearest other one in sight;
    ``touching`` share of particles in contact. Of whole particles, those that no edge cuts (K): ``diameter_K`` px,
    ``aspect_K``, ``solidity_K`` (NaN where not measured), ``weight_K`` (large ones are cut more often, so those that
    are not stand for more), ``mask_K`` the mask each is from and ``label_K`` its number there. ``bounds``: diameters
    (px) taken for particles; ``dropped``: how many were not.
    """

    shape_HW: tuple[int, int]
    count_N: NDArray[np.int64]
    distance: NDArray[np.float64]
    touching: float
    diameter_K: NDArray[np.float64]
    aspect_K: NDArray[np.float64]
    solidity_K: NDArray[np.float64]
    weight_K: NDArray[np.float64]
    mask_K: NDArray[np.int64]
    label_K: NDArray[np.int64]
    bounds: Bounds
    dropped: int


@dataclass(frozen=True, slots=True)
class _Particles:
    """The particles of one mask, by rows."""

    label: NDArray[np.int64]
    diameter: NDArray[np.float64]
    centre: NDArray[np.float64]
    extent: NDArray[np.int64]
    aspect: NDArray[np.float64]
    cut: NDArray[np.bool_]
    touching: NDArray[np.bool_]
    slivers: int


def measure_stack(label_NHW: Stack, bounds: Bounds | None = None, shapes: bool = True) -> Measured:
    """Measure (N, H, W) int32 instances.

    Rough masks hold specks and merged blobs. Without ``bounds``, whole particles count whose diameter lies within 3.5
    robust standard deviations (median absolute deviation, of the logarithm, at least 0.2) and a factor of 4 of the
    median, and over 2.6 px; those left out count nowhere. Raises ``NoParticlesError`` if nothing is left.
    """
    found = [_particles(label_HW) for label_HW in _masks(label_NHW)]
    whole = np.concatenate([p.diameter[~p.cut] for p in found]) if found else np.zeros(0)
    if not len(whole):  # particles so large that every one is cut: their visible parts are all there is
        whole = np.concatenate([p.diameter for p in found]) if found else whole
        found = [_all_whole(p) for p in found]
    bounds = bounds or robust_bounds(whole)
    kept = [(p.cut & (p.diameter <= bounds[1])) | _between(p.diameter, bounds) for p in found]
    if not any((k & ~p.cut).any() for k, p in zip(kept, found, strict=True)):
        raise NoParticlesError(
            f"The {len(found)} masks hold no particle to learn sizes and shapes from. Look at the rough masks; another "
            "rough segmenter or setting may find some, and random-particles needs none."
        )
    rows = [np.flatnonzero(k & ~p.cut) for k, p in zip(kept, found, strict=True)]
    mask_K = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    label_K = _joined([p.label for p in found], rows)
    seen = np.concatenate([p.touching[k] for k, p in zip(kept, found, strict=True)])
    return Measured(
        shape_HW=(int(label_NHW.shape[1]), int(label_NHW.shape[2])),
        count_N=np.array([k.sum() for k in kept], np.int64),
        distance=np.concatenate([nearest(p.centre[k]) for k, p in zip(kept, found, strict=True)]),
        touching=float(seen.mean()),
        diameter_K=_joined([p.diameter for p in found], rows),
        aspect_K=_joined([p.aspect for p in found], rows),
        solidity_K=_solidities(label_NHW, mask_K, label_K) if shapes else np.full(len(mask_K), np.nan),
        weight_K=_joined([_edge_weight(p.extent, label_NHW.shape[1:]) for p in found], rows),
        mask_K=mask_K,
        label_K=label_K,
        bounds=bounds,
        dropped=sum(int((~k).sum()) + p.slivers for k, p in zip(kept, found, strict=True)),
    )


def robust_bounds(diameter_K: NDArray[np.float64]) -> Bounds:
    """Smallest and largest diameter (px) that is taken for a particle."""
    diameter_K = diameter_K[diameter_K > SPECK_PX]
    if not len(diameter_K):
        return SPECK_PX, np.inf
    logs = np.log(diameter_K)
    middle = float(np.median(logs))
    deviation = max(LEAST_DEVIATION, 1.4826 * float(np.median(np.abs(logs - middle))))
    reach = min(TRIM_DEVIATIONS * deviation, np.log(TRIM_FACTOR))
    return max(SPECK_PX, float(np.exp(middle - reach))), float(np.exp(middle + reach))


def nearest(centre_K2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each centre to the nearest other one; nothing for a single particle."""
    if len(centre_K2) < 2:
        return np.zeros(0)
    distances: NDArray[np.float64] = cKDTree(centre_K2).query(centre_K2, k=2)[0][:, 1]
    return distances


def in_touch(label_HW: NDArray[Any]) -> NDArray[Any]:
    """Labels of the particles with a 4-neighbour of another particle."""
    found = []
    for a, b in ((label_HW[:, :-1], label_HW[:, 1:]), (label_HW[:-1], label_HW[1:])):
        contact = (a != b) & (a > 0) & (b > 0)
        found += [a[contact], b[contact]]
    return np.unique(np.concatenate(found))


def spread_evenly(total: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` of ``total`` row numbers, rising."""
    return np.unique(np.linspace(0, total - 1, min(total, most)).astype(np.int64))


def cut_out(label_NHW: Stack, mask_K: NDArray[np.int64], label_K: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    """The pixels of single particles within their bounding boxes; ``mask_K`` rising."""
    for i in np.unique(mask_K):
        label_HW = label_NHW[int(i)]
        boxes = ndi.find_objects(label_HW)
        for number in label_K[mask_K == i]:
            yield label_HW[boxes[number - 1]] == number


def _masks(label_NHW: Stack) -> Iterator[NDArray[Any]]:
    return (label_NHW[i] for i in range(len(label_NHW)))


def _particles(label_HW: NDArray[Any]) -> _Particles:
    ys, xs = np.nonzero(label_HW)
    values = label_HW[ys, xs]
    present = np.bincount(values, minlength=1)
    labels = np.flatnonzero(present >= VISIBLE)
    area = np.maximum(present, 1)
    y, x = (np.bincount(values, c) / area for c in (ys, xs))
    dy, dx = ys - y[values], xs - x[values]
    yy, xx, xy = (
        np.bincount(values, c) / area + extra for c, extra in ((dy**2, 1 / 12), (dx**2, 1 / 12), (dx * dy, 0))
    )
    spread = np.hypot((yy - xx) / 2, xy)
    aspect = np.sqrt(((yy + xx) / 2 + spread) / ((yy + xx) / 2 - spread))
    boxes = ndi.find_objects(label_HW)
    return _Particles(
        label=labels,
        diameter=np.sqrt(4 / np.pi * area[labels]),
        centre=np.c_[y[labels], x[labels]],
        extent=np.array([[s.stop - s.start for s in boxes[k - 1]] for k in labels]).reshape(-1, 2),
        aspect=aspect[labels],
        cut=np.isin(labels, border_labels(label_HW)),
        touching=np.isin(labels, in_touch(label_HW)),
        slivers=int((present[1:] > 0).sum()) - len(labels),
    )


def _all_whole(p: _Particles) -> _Particles:
    return replace(p, cut=np.zeros(len(p.label), bool))


def _between(values: NDArray[np.float64], bounds: Bounds) -> NDArray[np.bool_]:
    return (values >= bounds[0]) & (values <= bounds[1])


def _joined(columns: list[NDArray[Any]], rows: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([column[r] for column, r in zip(columns, rows, strict=True)])


def _edge_weight(extent_K2: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """One over the chance that a particle of that height and width, its centre within the mask, is not cut."""
    room_K2 = np.maximum(np.array(shape) - extent_K2, 0.1 * np.array(shape)) / shape
    weight: NDArray[np.float64] = 1 / room_K2.prod(axis=1)
    return weight


def _solidities(label_NHW: Stack, mask_K: NDArray[np.int64], label_K: NDArray[np.int64]) -> NDArray[np.float64]:
    """Area over that of the convex hull, of at most ``MOST_SHAPES`` particles spread evenly over the masks."""
    solidity = np.full(len(mask_K), np.nan)
    rows = spread_evenly(len(mask_K), MOST_SHAPES)
    for row, mask in zip(rows, cut_out(label_NHW, mask_K[rows], label_K[rows]), strict=True):
        solidity[row] = min(1.0, mask.sum() / hull_of(mask).area)
    return solidity
