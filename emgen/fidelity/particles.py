"""Every labelled particle measured: how strongly it shows, and where it would show more strongly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.fidelity.field import Field
from emgen.fidelity.null import Nothing
from emgen.fidelity.shape import Stencil, features, margin, stencil_of
from emgen.stages import LabelArray

FARTHEST = 1.3
"""Radii by which a particle may lie beside its label and still be taken for it."""
SUSPICIOUS = 1.15
"""A place beside the label that scores so many times higher is looked at more finely."""
COLUMNS = ("label", "y", "x", "radius", "border", "score", "contrast", "best", "there", "dy", "dx")
UNKNOWN = (np.nan, np.nan, np.nan, np.nan, 0.0, 0.0)
"""A particle that could not be measured."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One labelled particle: its stencil, its centre in whole pixels, the padded field's pixels it is measured on."""

    label: int
    centre: tuple[int, int]
    stencil: Stencil
    border: bool
    weight: NDArray[np.float32]


def measure_particles(field: Field, nothing: Nothing) -> NDArray[np.float64]:
    """(K, 11) ``COLUMNS``: radius in px; score and contrast (in the image's units) at the label, and both at the best
    place near by, (dy, dx) px from it. NaN where a particle could not be measured:
    hidden by others, or no background."""
    rows = [_row(field, nothing, instance) for instance in instances(field)]
    return np.array(rows, np.float64).reshape(-1, len(COLUMNS))


def instances(field: Field) -> Iterator[Instance]:
    from scipy.ndimage import find_objects

    own_HW = _only_owner(field.label_HW)
    height, width = field.label_HW.shape
    inner = np.s_[field.pad : field.pad + height, field.pad : field.pad + width]
    for label, box in enumerate(find_objects(field.label_HW), start=1):
        if box is None:
            continue
        mask = field.label_HW[box] == label
        pad = margin(float(np.sqrt(mask.sum() / np.pi)))
        ys, xs = np.nonzero(mask)
        centre = (round(ys.mean()) + box[0].start, round(xs.mean()) + box[1].start)
        corner = (box[0].start - pad, box[1].start - pad)
        border = box[0].start == 0 or box[1].start == 0 or box[0].stop == height or box[1].stop == width
        weight = field.free.copy()
        weight[inner][own_HW == label] = 1
        yield Instance(label, centre, stencil_of(np.pad(mask, pad), corner, centre), border, weight)


def _only_owner(label_HW: LabelArray) -> NDArray[Any]:
    """(H, W) the particle within a pixel of which a place lies, 0 where there is none or several."""
    from scipy.ndimage import maximum_filter, minimum_filter

    beyond = np.iinfo(np.int32).max
    highest = maximum_filter(label_HW, 3)
    lowest = minimum_filter(np.where(label_HW > 0, label_HW, beyond), 3)
    return np.where((highest == lowest) | (label_HW > 0), np.where(label_HW > 0, label_HW, highest), 0)


def _row(field: Field, nothing: Nothing, instance: Instance) -> tuple[float, ...]:
    radius = instance.stencil.radius
    head = (instance.label, *instance.centre, radius, float(instance.border))
    observer = nothing.of(radius)
    if observer is None:
        return (*head, *UNKNOWN)
    place = np.array([instance.centre])
    moves = _coarse(radius)
    scores = _scores(field, observer, instance, instance.stencil, place + moves)
    if not np.isfinite(scores[0]):
        return (*head, *UNKNOWN)
    best = int(np.nanargmax(scores))
    move, top = moves[best], scores[best]
    if best and top > SUSPICIOUS * scores[0]:
        finer = move + _fine(radius)
        finer = finer[np.hypot(*finer.T) <= FARTHEST * radius + 0.5]
        scored = _scores(field, observer, instance, instance.stencil, place + finer)
        if np.isfinite(scored).any() and np.nanmax(scored) > top:
            move, top = finer[int(np.nanargmax(scored))], float(np.nanmax(scored))
    contrast, there = (_contrast(field, instance, place + each) for each in (moves[0], move))
    return (*head, scores[0], contrast, top, there, *move)


def _contrast(field: Field, instance: Instance, place_12: NDArray[Any]) -> float:
    """Core less ring at one place, in the image's units."""
    found, _ = features(field, instance.weight, instance.stencil, place_12)
    y, x = np.clip(place_12[0], 0, np.array(field.spread_HW.shape) - 1)
    return float(found[0, 0] * field.spread_HW[y, x])


def _scores(
    field: Field, observer: Any, instance: Instance, stencil: Stencil, places_P2: NDArray[Any]
) -> NDArray[np.float64]:
    """(P,) score at each place, NaN where the particle could not be measured there."""
    found, usable = features(field, instance.weight, stencil, places_P2)
    scores: NDArray[np.float64] = np.where(usable, observer(found), np.nan)
    return scores


def _coarse(radius: float) -> NDArray[np.int64]:
    """No move first, then moves in eight directions by half and by a whole radius."""
    angle = np.arange(8) * np.pi / 4
    rays = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    steps = np.concatenate([rays * max(1.0, share * radius) for share in (0.5, 1.0)])
    return np.concatenate([[[0, 0]], np.round(steps)]).astype(np.int64)


def _fine(radius: float) -> NDArray[np.int64]:
    step = max(1, round(radius / 4))
    return np.stack(np.meshgrid(*[np.arange(-2, 3) * step] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
