"""The sampler of nuclei: soft ellipses that never lie over each other, and flatten where they touch. K: nuclei."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from emgen.stages import Context, LabelArray, Stack
from emgen_fluorescence.config import NucleiConfig
from emgen_masks.measured import measure_stack

STATE = "nuclei.json"
ORDERS = np.arange(2, 5)
"""Fourier orders of a soft outline: bean, pear and rounded square."""
TRIALS = 40
"""Places tried for a nucleus before it is left out for want of room."""
LEAST_PX = 12
"""What shows of a nucleus at the edge of the mask; less is none."""


@dataclass(frozen=True, slots=True)
class Nucleus:
    """``radius`` px of the disc of equal area, ``aspect`` long over short axis, ``turn`` in radians; ``waves``: (2, 3)
    Fourier terms of the outline."""

    radius: float
    aspect: float
    turn: float
    waves: NDArray[np.float64]

    def depth(self, dy: NDArray[Any], dx: NDArray[Any]) -> NDArray[np.float64]:
        """0 at the centre, 1 on the outline, beyond 1 outside."""
        c, s = np.cos(self.turn), np.sin(self.turn)
        u = (c * dx + s * dy) / np.sqrt(self.aspect)
        v = (c * dy - s * dx) * np.sqrt(self.aspect)
        turns = ORDERS * np.arctan2(v, u)[..., None]
        outline = 1 + np.cos(turns) @ self.waves[0] + np.sin(turns) @ self.waves[1]
        depth: NDArray[np.float64] = np.hypot(u, v) / (self.radius * outline)
        return depth


class Nuclei:
    """Implements ``emgen.stages.MaskSampler``."""

    def __init__(self, config: NucleiConfig, context: Context) -> None:
        self._config = config
        self._state: dict[str, Any] = {}

    def fit(self, label_NHW: Stack) -> None:
        """Learn from (N, H, W) rough instances. Raises ``NoParticlesError`` where they hold none."""
        measured = measure_stack(label_NHW, shapes=False)
        self._state = {
            "rows": np.log(np.c_[measured.diameter_K, measured.aspect_K]).tolist(),
            "weights": (measured.weight_K / measured.weight_K.sum()).tolist(),
            "counts": measured.count_N.tolist(),
            "area": int(np.prod(measured.shape_HW)),
            "touching": measured.touching,
        }

    def sample(self, n: int, shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
        return np.stack([self._mask(shape_HW, rng) for _ in range(n)])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STATE).write_text(json.dumps(self._state))

    def load(self, folder: Path) -> None:
        self._state = json.loads((folder / STATE).read_text())

    def _mask(self, shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
        """Nuclei one after the other, beside one that is there or where there is room."""
        share = self._state["touching"] / 1.5 if self._config.touching is None else self._config.touching
        places: list[NDArray[np.float64]] = []
        nuclei: list[Nucleus] = []
        for nucleus in sorted(self._draw(shape_HW, rng), key=lambda one: -one.radius):
            place = self._place(nucleus, places, nuclei, shape_HW, rng.random() < share, rng)
            if place is not None:
                places.append(place)
                nuclei.append(nucleus)
        return painted(nuclei, places, shape_HW)

    def _draw(self, shape_HW: tuple[int, int], rng: np.random.Generator) -> list[Nucleus]:
        """As many as a measured mask has, each like a measured one: a smoothed bootstrap."""
        state, c = self._state, self._config
        rows = np.array(state["rows"])
        expected = rng.choice(state["counts"]) * c.density * np.prod(shape_HW) / state["area"]
        drawn = rows[rng.choice(len(rows), int(expected + rng.random()), p=state["weights"])]
        width = c.smoothing * len(rows) ** (-1 / 6)
        moved = drawn + width * rows.std(axis=0) * rng.normal(size=drawn.shape)
        spread = c.deformation / ORDERS
        return [
            Nucleus(np.exp(size) / 2, np.exp(abs(aspect)), rng.uniform(0, np.pi), spread * rng.normal(size=(2, 3)))
            for size, aspect in moved
        ]

    def _place(
        self,
        nucleus: Nucleus,
        places: list[NDArray[np.float64]],
        nuclei: list[Nucleus],
        shape_HW: tuple[int, int],
        in_touch: bool,
        rng: np.random.Generator,
    ) -> NDArray[np.float64] | None:
        """Where it presses no deeper into any other than ``squeeze``; touching one if asked; ``None`` without room."""
        radii = np.array([other.radius for other in nuclei])
        for _ in range(TRIALS):
            if in_touch and nuclei:
                anchor, angle = rng.integers(len(nuclei)), rng.uniform(0, 2 * np.pi)
                reach = (radii[anchor] + nucleus.radius) * (1 - self._config.squeeze * rng.uniform(0.5, 1))
                place = places[anchor] + reach * np.array([np.sin(angle), np.cos(angle)])
            else:
                place = rng.uniform(-nucleus.radius, np.array(shape_HW) + nucleus.radius)
            room = 1 - self._config.squeeze if in_touch else 1.15 * np.sqrt(nucleus.aspect)
            if (
                not nuclei
                or (np.linalg.norm(np.array(places) - place, axis=1) >= room * (radii + nucleus.radius)).all()
            ):
                return place
        return None


def painted(nuclei: list[Nucleus], places: list[NDArray[np.float64]], shape_HW: tuple[int, int]) -> LabelArray:
    """(H, W) int32. A pixel within several outlines is of the nucleus whose centre it lies nearer to, by their radii:
    so both give way, and the border between them is flat."""
    label_HW, least_HW = np.zeros(shape_HW, np.int32), np.ones(shape_HW)
    for number, (nucleus, place) in enumerate(zip(nuclei, places, strict=True), start=1):
        reach = int(np.ceil(2 * nucleus.radius * np.sqrt(nucleus.aspect))) + 1
        start, stop = (np.clip(place.astype(int) + side, 0, shape_HW) for side in (-reach, reach + 1))
        rows, columns = (slice(int(first), int(last)) for first, last in zip(start, stop, strict=True))
        ys, xs = np.mgrid[rows, columns]
        depth = nucleus.depth(ys - place[0], xs - place[1])
        nearer = depth < least_HW[rows, columns]
        label_HW[rows, columns][nearer] = number
        least_HW[rows, columns][nearer] = depth[nearer]
    return _whole(label_HW)


def _whole(label_HW: LabelArray) -> LabelArray:
    """The largest piece of each, if it is large enough to be seen; numbered without gaps."""
    found, count = np.zeros_like(label_HW), 0
    for number, box in enumerate(ndimage.find_objects(label_HW), start=1):
        if box is None:
            continue
        pieces, _ = ndimage.label(label_HW[box] == number)
        areas = np.bincount(pieces.ravel())
        areas[0] = 0
        if areas.max() >= LEAST_PX:
            count += 1
            found[box][pieces == areas.argmax()] = count
    return found
