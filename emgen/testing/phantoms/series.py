"""Phantom in-situ series: a drifting stage, particles that move, grow, coalesce, appear and vanish; the exact truth.

>>> series = phantom_series(seed=1, frames=3, particles=20, shape_HW=(128, 160))
>>> len(series), series[0].label_HW.shape, series.shift_N2.shape
(3, (128, 160), (3, 2))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.testing.phantoms import imaging
from emgen.testing.phantoms.fields import FloatArray
from emgen.testing.phantoms.series_drawing import LabelArray, Painting, Pen, clean_image, paint, window
from emgen.testing.phantoms.series_motion import Moment, SeriesSettings, TruthEvent, World
from emgen.testing.phantoms.settings import PhantomSettings, draw_stack_settings
from emgen.testing.phantoms.supports import support_thickness

_MARGIN = 2.0
"""Of the specimen around what the field of view passes over, in median diameters."""


@dataclass(frozen=True, slots=True)
class SeriesFrame:
    """``image_HW`` float32 in [0, 1]; ``label_HW`` int32 exact instances in an order that says nothing.

    ``id_K``: the particle that label k + 1 is, the same in every frame.
    """

    image_HW: FloatArray
    label_HW: LabelArray
    id_K: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PhantomSeries:
    """``series[i]`` draws the i-th frame. Truth: ``shift_N2`` and ``events``.

    Attributes
    ----------
    shift_N2: (y, x) in px by which the specimen in frame i lies displaced against frame 0.
    events: of the whole specimen, in and outside the field of view; their places are the specimen's, less
        ``origin_2`` those of frame 0.
    """

    settings: SeriesSettings
    imaging: PhantomSettings
    shift_N2: NDArray[np.float64]
    origin_2: NDArray[np.float64]
    moments: list[Moment]
    events: list[TruthEvent]
    seed: int
    support_WW: FloatArray
    static: float

    def __len__(self) -> int:
        return len(self.moments)

    def __iter__(self) -> Iterator[SeriesFrame]:
        return (self[index] for index in range(len(self)))

    def labels(self, index: int) -> tuple[LabelArray, NDArray[np.int64]]:
        """``label_HW`` and ``id_K`` of a frame without its image, which takes longer to draw."""
        painting = self._painted(index)
        return painting.label_HW, painting.id_K

    def __getitem__(self, index: int) -> SeriesFrame:
        if not 0 <= index < len(self):
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, 7, index])
        painting = self._painted(index)
        support_HW = window(self.support_WW, self._corner(index), self.settings.shape_HW)
        clean = clean_image(support_HW, painting.depth_HW, self.imaging, rng)
        if self.static:
            pattern = np.random.default_rng([self.seed, 8]).standard_normal(clean.shape, dtype=np.float32)
            clean = clean * (1 + np.float32(self.static) * pattern)
        image = imaging.display(imaging.record(clean, self.imaging, rng), self.imaging)
        return SeriesFrame(image, painting.label_HW, painting.id_K)

    def _corner(self, index: int) -> NDArray[np.float64]:
        corner_2: NDArray[np.float64] = self.origin_2 - self.shift_N2[index]
        return corner_2

    def _painted(self, index: int) -> Painting:
        pen = Pen(self.seed, self.imaging.contrast, self.settings.diameter)
        return paint(self.moments[index], self._corner(index), self.settings.shape_HW, pen, index)


def phantom_series(
    *, seed: int, modality: str = "haadf-stem", static: float = 0.0, look: dict[str, Any] | None = None, **settings: Any
) -> PhantomSeries:
    """A series by its seed; nothing is drawn until a frame is asked for.

    Parameters
    ----------
    modality: ``haadf-stem`` (bright particles) or ``bf-tem`` (dark ones).
    static: relative strength of a pattern that stays with the detector while the specimen drifts.
    look: fields of ``PhantomSettings``, e.g. ``{"dose": 40}``.
    settings: fields of ``SeriesSettings``.
    """
    s = SeriesSettings(**settings)
    rng = np.random.default_rng([seed, 5])
    shift_N2 = _drift(s, rng)
    margin = _MARGIN * s.diameter
    origin = np.maximum(shift_N2.max(0), 0) + margin
    size = np.array(s.shape_HW) + origin - np.minimum(shift_N2.min(0), 0) + margin
    world = World(s, size, rng)
    moments = list(islice(world.moments(), s.frames))
    fixed: dict[str, Any] = {"texture": 0.0, "support": "film", **(look or {})}
    drawn = draw_stack_settings(np.random.default_rng([seed, 6]), modality, diameter=s.diameter, **fixed)
    whole = (int(np.ceil(size[0])) + 2, int(np.ceil(size[1])) + 2)
    support = support_thickness(whole, drawn, np.random.default_rng([seed, 9]))
    return PhantomSeries(s, drawn, shift_N2, origin, moments, world.events, seed, support, static)


def degraded(
    label_HW: LabelArray, rng: np.random.Generator, *, missed: float = 0.0, rough: float = 0.0, false: float = 0.0
) -> LabelArray:
    """Labels as a segmenter finds them: the share ``missed`` not at all, outlines off by ``rough`` px (a standard
    deviation, alike over about 3 px), and ``false`` discs too many, as a share of the particles; these get the
    numbers after the largest. Other particles keep their numbers."""
    from scipy import ndimage as ndi

    result = np.zeros_like(label_HW)
    noise = ndi.gaussian_filter(rng.standard_normal(label_HW.shape), 1.5) * np.sqrt(4 * np.pi) * 1.5 * rough
    boxes = ndi.find_objects(label_HW)
    for label, box in enumerate(boxes, 1):
        if box is None or rng.random() < missed:
            continue
        wide = tuple(slice(max(0, side.start - 4), side.stop + 4) for side in box)
        inside = label_HW[wide] == label
        depth = ndi.distance_transform_edt(inside) - ndi.distance_transform_edt(~inside) + noise[wide]
        grown = ndi.label((depth > 0) & (inside | (label_HW[wide] == 0)))[0]
        if grown.any():
            result[wide][grown == np.bincount(grown.ravel())[1:].argmax() + 1] = label
    for number in range(len(boxes) + 1, len(boxes) + 1 + rng.poisson(false * len(boxes))):
        place = rng.uniform(0, label_HW.shape)
        disc = np.hypot(np.arange(label_HW.shape[0])[:, None] - place[0], np.arange(label_HW.shape[1]) - place[1]) < 4
        result[disc & (result == 0)] = number
    return result


def write_series(folder: Path, series: PhantomSeries, *, stem: str = "series") -> tuple[list[Path], list[Path]]:
    """``<stem>_0000.tif`` … (images, uint8) and ``<stem>_0000_labels.tif`` … (uint16); the paths of both."""
    import tifffile

    folder.mkdir(parents=True, exist_ok=True)
    images, labels = [], []
    for index, frame in enumerate(series):
        images.append(folder / f"{stem}_{index:04d}.tif")
        labels.append(folder / f"{stem}_{index:04d}_labels.tif")
        tifffile.imwrite(images[-1], np.round(frame.image_HW * 255).astype(np.uint8), metadata=None)
        tifffile.imwrite(labels[-1], frame.label_HW.astype(np.uint16), compression="zlib", metadata=None)
    return images, labels


def _drift(s: SeriesSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """(N, 2) where the specimen lies in each frame against the first."""
    angle = rng.uniform(0, 2 * np.pi)
    steps = s.drift * np.array([np.sin(angle), np.cos(angle)]) + rng.normal(0, s.wander, (s.frames, 2))
    for frame in rng.choice(np.arange(1, s.frames), min(s.jumps, s.frames - 1), replace=False):
        steps[frame] += rng.uniform(-s.jump, s.jump, 2)
    steps[0] = 0
    total: NDArray[np.float64] = steps.cumsum(0)
    return total
