"""The human ceiling: what a perfect model could score against labels that people made.

Two labels of one image differ by what both got wrong. Where the two err independently, equally often, and miss as much
as they add, the Dice coefficient of truth and label is the square root of that of label and label; intersection over
union follows from Dice, the objects' F1 *is* a Dice coefficient, and pixel accuracy has its own law of two independent
errors. Where both make the same mistakes the truth lies further off, and the estimate is too high.

One bound needs no assumption. One minus intersection over union is a distance (it obeys the triangle inequality), and
so is the share of differing pixels: whatever is predicted, its score against the two labels is on average at most
(1 + agreement) / 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.doctor.agreement import Counts, scores_of

DRAWS = 1000
FORMULAS = {
    "foreground_iou": "D = 2 J / (1 + J); ceiling = √D / (2 − √D)",
    "miou": "mean of the ceilings of foreground and background, each as foreground_iou",
    "object_f1": "ceiling = √F1",
    "pixel_accuracy": "ceiling = (1 + √(2 A − 1)) / 2",
    "diameter_difference": "floor = typical difference / √2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """Of one score: how two labels agree, and what a perfect model can reach against one of them.

    ``low``, ``high``: 95 % interval of each. ``bound``: of the mean score of any prediction against both labels,
    ``None`` where the score is no distance. Of ``diameter_difference`` smaller is better, and the ceiling is a floor.
    """

    agreement: float
    agreement_low: float
    agreement_high: float
    ceiling: float
    ceiling_low: float
    ceiling_high: float
    bound: float | None
    formula: str


def human_ceiling(pairs: Sequence[Counts], seed: int = 0) -> dict[str, Ceiling]:
    """From counts of pairs of labels (``count_tiles``), one a pair; the interval from drawing images and tiles anew.

    Images are drawn where there are three or more, else tiles alone: the interval then holds for these images.
    """
    point = _mean([scores_of(counts.sum(axis=0)) for counts in pairs])
    drawn = _draws(pairs, np.random.default_rng([seed, 0xCE11]))
    found = {}
    for name in FORMULAS:
        agreement, agreements = point[name], drawn[name]
        values = _ceiling(name, {**point}), _ceiling(name, drawn)
        low, high = np.percentile(agreements, (2.5, 97.5))
        ceiling_low, ceiling_high = np.percentile(values[1], (2.5, 97.5))
        found[name] = Ceiling(
            agreement=float(agreement),
            agreement_low=float(low),
            agreement_high=float(high),
            ceiling=float(values[0]),
            ceiling_low=float(ceiling_low),
            ceiling_high=float(ceiling_high),
            bound=float((1 + agreement) / 2) if name in ("foreground_iou", "miou", "pixel_accuracy") else None,
            formula=FORMULAS[name],
        )
    return found


def to_dict(ceilings: Mapping[str, Ceiling]) -> dict[str, Any]:
    return {name: asdict(ceiling) for name, ceiling in ceilings.items()}


def _draws(pairs: Sequence[Counts], rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """(draws,) of each score: mean over the images, of each of which the tiles are drawn with replacement."""
    per_image = []
    for counts in pairs:
        weights = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), DRAWS)
        per_image.append(_typical(scores_of(weights @ counts)))
    names = per_image[0].keys()
    stacked = {name: np.stack([scores[name] for scores in per_image]) for name in names}
    if len(pairs) >= 3:
        chosen = rng.integers(len(pairs), size=(len(pairs), DRAWS))
        stacked = {name: np.take_along_axis(values, chosen, axis=0) for name, values in stacked.items()}
    return {name: values.mean(axis=0) for name, values in stacked.items()}


def _mean(scores: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, Any]:
    typical = [_typical(each) for each in scores]
    return {name: np.mean([each[name] for each in typical]) for name in typical[0]}


def _typical(scores: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Diameters may differ either way; their size counts."""
    return {**scores, "diameter_difference": np.abs(scores["diameter_difference"])}


def _ceiling(name: str, agreement: Mapping[str, Any]) -> Any:
    rules: dict[str, Callable[[], Any]] = {
        "foreground_iou": lambda: iou_ceiling(agreement["foreground_iou"]),
        "miou": lambda: (iou_ceiling(agreement["foreground_iou"]) + iou_ceiling(agreement["background_iou"])) / 2,
        "object_f1": lambda: np.sqrt(agreement["object_f1"]),
        "pixel_accuracy": lambda: (1 + np.sqrt(np.maximum(2 * agreement["pixel_accuracy"] - 1, 0))) / 2,
        "diameter_difference": lambda: agreement["diameter_difference"] / np.sqrt(2),
    }
    return rules[name]()


def iou_ceiling(agreement: Any) -> Any:
    """Expected intersection over union of truth and label from that of two labels.

    >>> round(float(iou_ceiling(0.66)), 2)
    0.8
    """
    root = np.sqrt(2 * np.asarray(agreement) / (1 + np.asarray(agreement)))
    return root / (2 - root)
