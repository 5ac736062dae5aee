"""A moment of a phantom series as an image without noise, and its truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emgen.testing.phantoms import imaging
from emgen.testing.phantoms.fields import FloatArray, Shape
from emgen.testing.phantoms.series_motion import Moment
from emgen.testing.phantoms.settings import PhantomSettings

LabelArray = NDArray[np.int32]
_SMALLEST_AREA = 5


class Painting(NamedTuple):
    """``label_HW`` exact instances, ``depth_HW`` what the particles add, ``id_K`` the particle that label k + 1 is."""

    label_HW: LabelArray
    depth_HW: FloatArray
    id_K: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pen:
    """``seed`` of the particles' outlines; ``contrast`` that a particle of ``diameter`` px adds."""

    seed: int
    contrast: float
    diameter: float


def paint(moment: Moment, corner_2: NDArray[np.float64], shape_HW: Shape, pen: Pen, index: int) -> Painting:
    """What of a moment lies in the field whose corner is at ``corner_2`` (y, x) of the specimen.

    A shared pixel belongs to the particle that is relatively deeper inside. The labels' order is drawn for each
    ``index`` of a frame, so that it says nothing.
    """
    level_HW, depth_HW = np.zeros(shape_HW, np.float32), np.zeros(shape_HW, np.float32)
    owner_HW = np.zeros(shape_HW, np.int32)  # row + 1
    for row in range(len(moment.id_K)):
        box, level = _level(moment, row, moment.place_K2[row] - corner_2, shape_HW, pen.seed)
        if level.size:
            wins = level > level_HW[box]
            owner_HW[box][wins] = row + 1
            level_HW[box][wins] = level[wins]
            contrast = pen.contrast * (2 * moment.radius_K[row] / pen.diameter) ** 0.7
            inside = np.maximum(level, 0)
            depth_HW[box] = np.maximum(depth_HW[box], contrast * np.sqrt(inside * (2 - inside)))
    area = np.bincount(owner_HW.ravel(), minlength=len(moment.id_K) + 1)[1:]
    kept = np.random.default_rng([pen.seed, 4, index]).permutation(np.flatnonzero(area >= _SMALLEST_AREA))
    number = np.zeros(len(moment.id_K) + 1, np.int32)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    return Painting(number[owner_HW], depth_HW, moment.id_K[kept])


def clean_image(
    support_HW: FloatArray, depth_HW: FloatArray, look: PhantomSettings, rng: np.random.Generator
) -> FloatArray:
    """(H, W) without noise, in units of the support's mean brightness (bright field: of vacuum)."""
    if look.modality == "bf-tem":
        return imaging.bright_field(support_HW, depth_HW, look, rng)[0]
    return imaging.dark_field(support_HW, 0.0, depth_HW, look)[0]


def window(support_WW: FloatArray, corner_2: NDArray[np.float64], shape_HW: Shape) -> FloatArray:
    """What of the support lies in the field, at a corner between pixels."""
    from scipy import ndimage as ndi

    whole = np.floor(corner_2).astype(int)
    part = support_WW[whole[0] : whole[0] + shape_HW[0] + 2, whole[1] : whole[1] + shape_HW[1] + 2]
    moved = ndi.shift(part, whole - corner_2, order=3, mode="nearest")
    return np.asarray(moved[: shape_HW[0], : shape_HW[1]], np.float32)


def window_linear(support_WW: FloatArray, corner_2: NDArray[np.float64], shape_HW: Shape) -> FloatArray:
    """As ``window``, linear between pixels: a tenth of its time, and as good on a support that is smooth."""
    whole = np.floor(corner_2).astype(int)
    down, right = (corner_2 - whole).astype(np.float32)
    part = support_WW[whole[0] : whole[0] + shape_HW[0] + 1, whole[1] : whole[1] + shape_HW[1] + 1]
    rows = part[:-1] + down * (part[1:] - part[:-1])
    return np.asarray(rows[:, :-1] + right * (rows[:, 1:] - rows[:, :-1]), np.float32)


def _level(
    moment: Moment, row: int, centre: NDArray[np.float64], shape: Shape, seed: int
) -> tuple[tuple[slice, slice], FloatArray]:
    """The box of a particle in the field, and its level there: 1 at the centre, 0 on the outline, negative outside."""
    radius, stretch = float(moment.radius_K[row]), float(moment.stretch_K[row])
    reach = 1.25 * radius * np.sqrt(stretch) + 2
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach) + 1, shape).astype(int)
    box = (slice(low[0], max(low[0], high[0])), slice(low[1], max(low[1], high[1])))
    y = np.arange(box[0].start, box[0].stop)[:, None] - centre[0]
    x = np.arange(box[1].start, box[1].stop)[None, :] - centre[1]
    turn = float(moment.turn_K[row])
    along, across = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    z = along / np.sqrt(stretch) + 1j * across * np.sqrt(stretch)
    size = np.abs(z)
    unit = z / np.maximum(size, 1e-6)
    weights = np.random.default_rng([seed, 3, int(moment.id_K[row])]).normal(0, 0.03, (2, 3))
    lobes = sum((w * np.conj(unit**k) for w, k in zip(weights[0] + 1j * weights[1], (2, 3, 4), strict=True)), 0j)
    return box, np.asarray(1 - size / (radius * (1 + np.real(lobes))), np.float32)
