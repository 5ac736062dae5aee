"""What a model makes of particles of a size: which it finds, how large it draws them, which it invents.

Measured on virtual micrographs, whose truth is exact, and taken out of the sizes found on real ones. Sizes are natural
logarithms of diameters in px at the model's working scale. What is measured is as good as the virtual micrographs are:
particles that real micrographs hold and virtual ones don't (too faint, too crowded) stay missed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.errors import ModelError
from emgen.particles import border_labels, match_objects
from emgen.sizes.curves import Array, Curves, fit_curves
from emgen.stages import LabelArray

if TYPE_CHECKING:
    from emgen.host import Host

FILE = "response.json"
FORMAT = 1
MATCH = 0.3
"""Least overlap (IoU) of a particle and its image. Below the 0.5 of scores: a particle drawn much too small was found,
and how much too small is what is asked."""
ENOUGH = 50
"""Particles below which curves over size say nothing."""
EDGE_SD = 0.03
"""Standard deviation of the logarithm of all sizes that a model draws, by which its idea of the edge is off.

Nothing in a run tells it. Rough masks that are a little too wide teach the networks to paint particles a little too
small for their masks, so on virtual micrographs model and truth agree. It is a type B uncertainty (JCGM 100:2008,
section 4.3), from phantoms, whose truth is known: see ``emgen.testing.size_coverage``.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """T true and P invented particles of V virtual micrographs.

    Attributes
    ----------
    true_T: their diameters, px at the working scale. found_T: those the model drew for them, NaN of missed ones.
    image_T: which micrograph. invented_P, invented_image_P: what the model drew where nothing is.
    images: V.
    """

    true_T: Array
    found_T: Array
    image_T: NDArray[np.int64]
    invented_P: Array
    invented_image_P: NDArray[np.int64]
    images: int

    def curves(self, copies_V: NDArray[np.int64] | None = None, off: float = 0.0) -> Curves:
        """Recall, size and share of true ones over size.

        ``copies_V``: how often each micrograph counts. ``off``: added to the logarithm of all sizes drawn.
        """
        copies = np.ones(self.images, np.int64) if copies_V is None else copies_V
        fitted = fit_curves(
            np.log(self.true_T),
            np.log(self.found_T),
            copies[self.image_T].astype(float),
            np.log(self.invented_P),
            copies[self.invented_image_P].astype(float),
        )
        return replace(fitted, size=fitted.size + np.array([0.0, off]))

    def resampled(self, number: int, seed: int) -> list[Curves]:
        """Curves of virtual micrographs drawn with replacement, and of edges as uncertain as they are."""
        rng = np.random.default_rng(seed)
        draws = rng.multinomial(self.images, np.full(self.images, 1 / self.images), number)
        off_B = EDGE_SD * rng.standard_normal(number)
        return [self.curves(copies_V, float(off)) for copies_V, off in zip(draws, off_B, strict=True)]

    @property
    def usable(self) -> bool:
        return int(np.isfinite(self.found_T).sum()) >= ENOUGH

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "match": MATCH,
            "images": self.images,
            "true": _rounded(self.true_T),
            "found": _rounded(self.found_T),
            "image": self.image_T.tolist(),
            "invented": _rounded(self.invented_P),
            "invented_image": self.invented_image_P.tolist(),
        }


def measure_response(pairs: Iterable[tuple[LabelArray, LabelArray]]) -> Response:
    """From (predicted, true) instances (H, W) of virtual micrographs at the working scale.

    Particles that an edge cuts are left out on both sides: their size is not known.
    """
    rows: list[tuple[float, float, int]] = []
    invented: list[tuple[float, int]] = []
    images = 0
    for number, (pred_HW, true_HW) in enumerate(pairs):
        images += 1
        pred_area, true_area = np.bincount(pred_HW.ravel()), np.bincount(true_HW.ravel())
        partner = {true: pred for pred, true in match_objects(pred_HW, true_HW, MATCH).pairs}
        cut_true, cut_pred = set(border_labels(true_HW).tolist()), set(border_labels(pred_HW).tolist())
        for true in np.flatnonzero(true_area[1:]) + 1:
            pred = partner.get(int(true))
            if int(true) in cut_true or pred in cut_pred:
                continue
            rows.append((_diameter(true_area[true]), _diameter(pred_area[pred]) if pred else float("nan"), number))
        lonely = set((np.flatnonzero(pred_area[1:]) + 1).tolist()) - set(partner.values()) - cut_pred
        invented += [(_diameter(pred_area[pred]), number) for pred in sorted(lonely)]
    true_T, found_T, image_T = np.array(rows, float).reshape(-1, 3).T
    invented_P, invented_image_P = np.array(invented, float).reshape(-1, 2).T
    return Response(
        true_T=true_T,
        found_T=found_T,
        image_T=image_T.astype(np.int64),
        invented_P=invented_P,
        invented_image_P=invented_image_P.astype(np.int64),
        images=images,
    )


def write_response(folder: Path, response: Response) -> Path:
    path = folder / FILE
    path.write_text(json.dumps(response.to_dict(), separators=(",", ":")) + "\n")
    return path


def read_response(folder: Path) -> Response | None:
    """That of a model folder; ``None`` where it has none. Raises ``ModelError`` for a file that is damaged."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return response_from(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not readable ({error}). Delete it to go without the correction.") from error


def response_of(ref: str | Path, host: Host | None = None) -> Response | None:
    """That of a model by its folder, run folder, exported file or name; ``None`` where it has none.

    Raises ``ModelError`` where there is no such model.
    """
    from emgen.exporting.onnx_task import read_exported_response
    from emgen.model import model_folder

    folder = model_folder(ref, host)
    return read_exported_response(folder) if folder.is_file() else read_response(folder)


def response_from(kept: dict[str, Any]) -> Response:
    """The inverse of ``Response.to_dict``. Raises ValueError for another format, KeyError for a missing entry."""
    if kept.get("format") != FORMAT:
        raise ValueError(f"format {kept.get('format')!r}; this emgen reads {FORMAT}")
    return Response(
        true_T=_numbers(kept["true"]),
        found_T=_numbers(kept["found"]),
        image_T=np.array(kept["image"], np.int64),
        invented_P=_numbers(kept["invented"]),
        invented_image_P=np.array(kept["invented_image"], np.int64),
        images=int(kept["images"]),
    )


def _rounded(values: Array) -> list[float | None]:
    """JSON has no NaN: null."""
    return [None if np.isnan(value) else round(float(value), 3) for value in values]


def _numbers(values: list[float | None]) -> Array:
    return np.array([np.nan if value is None else value for value in values], float)


def _diameter(area: float) -> float:
    return float(np.sqrt(4 / np.pi * area))
