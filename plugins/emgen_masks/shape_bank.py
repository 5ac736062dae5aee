"""The sampler that places measured outlines anew, rotated, mirrored and slightly scaled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage.measure import find_contours

from emgen.stages import Context, LabelArray, Stack
from emgen_masks.config import ShapeBankConfig
from emgen_masks.measured import cut_out, measure_stack, spread_evenly
from emgen_masks.outlines import POINTS, Points, Stamp, area_and_centre, stamp, turned
from emgen_masks.placing import Spacing, populate

STATE = "bank.json"


class ShapeBank:
    """Implements ``emgen.stages.MaskSampler``. Holes in particles are filled."""

    def __init__(self, config: ShapeBankConfig, context: Context) -> None:
        self._config = config
        self._outlines: list[Points] = []
        self._weights: NDArray[np.float64] = np.zeros(0)
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._shape_HW = (1, 1)
        self._spacing = Spacing()

    def fit(self, label_NHW: Stack) -> None:
        """Keep the outlines of (N, H, W) rough instances, specks and blobs left out (``measure_stack``)."""
        measured = measure_stack(label_NHW, shapes=False)
        rows = spread_evenly(len(measured.label_K), self._config.size)
        self._outlines = [_outline(m) for m in cut_out(label_NHW, measured.mask_K[rows], measured.label_K[rows])]
        self._weights = measured.weight_K[rows]
        self._counts, self._shape_HW = measured.count_N, measured.shape_HW
        self._spacing = Spacing(touching=0.5 * measured.touching)

    def sample(self, n: int, shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
        ratio = np.prod(shape_HW) / np.prod(self._shape_HW)
        masks = []
        for count in rng.choice(self._counts, n):
            particles = self._draw(int(count * ratio + rng.random()), rng)
            masks.append(populate(shape_HW, particles, self._spacing, rng))
        return np.stack(masks)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "outlines": [outline.tolist() for outline in self._outlines],
            "weights": self._weights.tolist(),
            "counts": self._counts.tolist(),
            "shape_HW": list(self._shape_HW),
            "touching": self._spacing.touching,
        }
        (folder / STATE).write_text(json.dumps(state))

    def load(self, folder: Path) -> None:
        state: dict[str, Any] = json.loads((folder / STATE).read_text())
        self._outlines = [np.array(outline, float) for outline in state["outlines"]]
        self._weights, self._counts = np.array(state["weights"], float), np.array(state["counts"], int)
        self._shape_HW = tuple(state["shape_HW"])
        self._spacing = Spacing(touching=state["touching"])

    def _draw(self, n: int, rng: np.random.Generator) -> list[Stamp]:
        chosen = rng.choice(len(self._outlines), n, p=self._weights / self._weights.sum())
        scales = rng.uniform(1 - self._config.scale, 1 + self._config.scale, n)
        return [
            stamp(scale * turned(self._outlines[k], rng.uniform(0, 2 * np.pi), bool(rng.integers(2))), rng)
            for k, scale in zip(chosen, scales, strict=True)
        ]


def _outline(mask: NDArray[np.bool_]) -> Points:
    """(P, 2) outline around the centre of area, between the pixels, of at most ``POINTS`` points."""
    filled = np.pad(ndi.binary_fill_holes(mask), 1).astype(float)
    contour = max(find_contours(filled, 0.5), key=len)[:-1]
    points = contour[np.linspace(0, len(contour), min(POINTS, len(contour)), endpoint=False).astype(int)]
    area, centre = area_and_centre(points)
    # The contour of a pixel mask runs half a pixel inside its corners; the area is made that of the pixels again.
    resized: Points = (points - centre) * np.sqrt(filled.sum() / area)
    return np.round(resized, 3)
