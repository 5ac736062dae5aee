"""What a model's domain is, and from which score on a micrograph is said to be outside."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emgen.domain.covariance import Array
from emgen.domain.features import NAMES
from emgen.domain.shape import Domain, Shape, fit_shape
from emgen.domain.words import remarks
from emgen.errors import DataError, ModelError
from emgen.files import replacing

FILE = "domain.json"
FORMAT = 2
LEAST = 3
"""Micrographs without which nothing can be said of what is common to them."""
HALVES = 200
"""Micrographs from which on half of them are held back altogether; fewer take turns (``FOLDS``)."""
FOLDS = 10
_OTHER = (
    "{}: of another version of emgen (format {}; this one reads {}). The model is used without the domain alarm; "
    "run its spec again to have one."
)


@dataclass(frozen=True, slots=True)
class Reference:
    """The domain of a model.

    Attributes
    ----------
    shape: where crops of the training micrographs lie.
    held_back_M: scores, ascending, of M training micrographs by shapes that were fitted without them.
    """

    shape: Shape
    held_back_M: Array

    @classmethod
    def fit(cls, features_M: Sequence[Array], altered: Mapping[int, Mapping[str, Array]] | None = None) -> Reference:
        """From the features (C, F) of each training micrograph, as ``describe`` gives them.

        ``altered``: of some, by number, the features of the same one altered (``emgen.domain.altered``), by alteration.

        From ``HALVES`` micrographs on, every other one is held back, and a threshold keeps its promise exactly. Fewer
        are divided in ``FOLDS`` parts, each scored by a shape of the others; as those know less than the shape of all,
        thresholds are rather too high than too low.

        Raises ``DataError`` for fewer than ``LEAST`` micrographs.
        """
        domain, count = Domain(features_M, altered or {}), len(features_M)
        if count < LEAST:
            raise DataError(f"the domain of a model needs {LEAST} micrographs to be known, there are {count}")
        if count >= HALVES:
            shape = fit_shape(domain, range(0, count, 2))
            scores = [shape.score(own_CF) for own_CF in features_M[1::2]]
        else:
            shape = fit_shape(domain)
            scores = _cross_fitted(domain)
        return rounded(cls(shape, np.sort(np.array(scores, float))))

    def score(self, features_CF: Array) -> float:
        """How far outside a micrograph is: below 1 for most of the domain, without limit for others."""
        return self.shape.score(features_CF)

    @property
    def smallest_alpha(self) -> float:
        """The smallest rate of false alarms that so many held-back micrographs can promise."""
        return 1 / (len(self.held_back_M) + 1)

    def supported_alpha(self, wanted: float) -> float:
        """``wanted``, or more where micrographs are few: so much that the largest held-back score does not decide.

        A threshold that a single odd micrograph sets is kept, but by so wide a margin that nothing exceeds it.
        """
        return max(wanted, min(2 * self.smallest_alpha, 0.5))

    def threshold(self, alpha: float) -> float:
        """The score that a new micrograph of the domain exceeds with a probability of at most ``alpha``.

        Raises ``DataError`` for an ``alpha`` that the held-back micrographs are too few for, or not in (0, 1).
        """
        count = len(self.held_back_M)
        if not 0 < alpha < 1:
            raise DataError(f"alpha: {alpha} is no rate of false alarms; give one between 0 and 1, such as 0.05")
        rank = math.ceil((count + 1) * (1 - alpha) - 1e-9)
        if rank > count:
            raise DataError(
                f"alpha: a rate of false alarms of {alpha:g} needs {math.ceil(1 / alpha - 1e-9) - 1} held-back "
                f"micrographs, this model has {count}. Ask for {_rounded_up(self.smallest_alpha)} or more, or train "
                "on more micrographs."
            )
        return float(self.held_back_M[rank - 1])

    def p_value(self, score: float) -> float:
        """The smallest ``alpha`` at which a micrograph with this score is outside, in (0, 1]."""
        return float(1 + (self.held_back_M >= score).sum()) / (len(self.held_back_M) + 1)

    def explain(self, features_CF: Array) -> tuple[str, ...]:
        """The three features that stand out most, as sentences, the first most of all.

        Of features that go together one is named, so that three say three things. Where a micrograph is as those that
        left the domain in a known way, that is said first, and two features follow.
        """
        return remarks(self.shape, features_CF)

    def save(self, folder: Path) -> Path:
        """Writes ``domain.json`` into a model folder. Raises ``OutputError`` where the disk refuses."""
        path = folder / FILE
        with replacing(path) as partial:
            partial.write_text(json.dumps(self.to_dict(), separators=(",", ":")) + "\n")
        return path

    @staticmethod
    def load(folder: Path) -> Reference | None:
        """That of a model folder; ``None`` where it has none. Raises ``ModelError`` for a file that is damaged.

        One of another version of emgen, which described micrographs otherwise, is left aside with a warning: the model
        itself is as good as ever.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            kept = json.loads(path.read_text())
            if isinstance(kept, dict) and kept.get("format", FORMAT) != FORMAT:
                warnings.warn(_OTHER.format(path, kept["format"], FORMAT), stacklevel=2)
                return None
            return reference_from(kept)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not readable ({error}). Delete it to go without the domain alarm.") from error

    def to_dict(self) -> dict[str, Any]:
        shape = self.shape
        return {
            "format": FORMAT,
            "features": list(NAMES),
            "centre": _rounded(shape.centre_F),
            "spread": _rounded(shape.spread_F),
            "precision": [_rounded(row) for row in shape.precision_FF],
            "steps": {name: _rounded(step_F) for name, step_F in shape.steps.items()},
            "usual": _rounded(shape.usual_P),
            "rare": _rounded(shape.rare_P),
            "held_back": _rounded(self.held_back_M),
        }


def reference_from(kept: dict[str, Any]) -> Reference:
    """The inverse of ``Reference.to_dict``. Raises ValueError for another format, other features or missing numbers."""
    if kept.get("format") != FORMAT:
        raise ValueError(f"format {kept.get('format')!r}; this emgen reads {FORMAT}")
    if tuple(kept["features"]) != NAMES:
        raise ValueError("it describes micrographs by other features than this emgen does")
    size, parts = len(NAMES), 1 + len(kept["steps"])
    shape = Shape(
        centre_F=_numbers(kept["centre"], size),
        spread_F=_numbers(kept["spread"], size),
        precision_FF=_numbers(kept["precision"], size, size),
        steps={name: _numbers(kept["steps"][name], size) for name in sorted(kept["steps"])},
        usual_P=_numbers(kept["usual"], parts),
        rare_P=_numbers(kept["rare"], parts),
    )
    return Reference(shape, np.sort(_numbers(kept["held_back"], -1)))


def rounded(reference: Reference) -> Reference:
    """As it is read back from its file: scores are the same before and after."""
    return reference_from(reference.to_dict())


def _cross_fitted(domain: Domain) -> list[float]:
    count = len(domain.features_M)
    scores = [0.0] * count
    for fold in range(min(FOLDS, count)):
        held = range(fold, count, FOLDS)
        shape = fit_shape(domain, [index for index in range(count) if index not in held])
        for index in held:
            scores[index] = shape.score(domain.features_M[index])
    return scores


def _numbers(values: Any, *shape: int) -> Array:
    array: Array = np.array(values, float).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError("numbers are missing")
    return array


def _rounded(values: Array) -> list[float]:
    return [float(f"{value:.7g}") for value in values]


def _rounded_up(alpha: float) -> float:
    return math.ceil(alpha * 1000) / 1000
