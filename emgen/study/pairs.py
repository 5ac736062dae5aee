"""Comparisons micrograph by micrograph: more pairs than seeds, for what differs little from seed to seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from emgen.study.statistics import effect, holm
from emgen.study.summary import Comparison
from emgen.study.trial import Result

Place = tuple[int, str]


def by_micrograph(results: Sequence[Result], name: str) -> dict[Place, float]:
    """Score of each unseen micrograph of each seed, of one arm."""
    found = {
        (result.trial.seed, str(row["image"])): row.get(name, np.nan)
        for result in results
        for row in result.outcome.tables.get("per_image", ())
    }
    return {place: float(value) for place, value in found.items() if np.isfinite(value)}


def compare_micrographs(
    pairs: Sequence[tuple[str, str]], arms: Mapping[str, Sequence[Result]], measure: str
) -> list[Comparison]:
    """The first of each pair less the second over all micrographs of all seeds, p corrected for the number of pairs.

    Micrographs of one seed share their training, so the interval says how sure the difference is for these models, not
    for trainings to come; that is what pairs of seeds are for.
    """
    found = []
    for arm, other in pairs:
        a, b = (by_micrograph(arms.get(name, ()), measure) for name in (arm, other))
        places = sorted(set(a) & set(b))
        if places:
            found.append((arm, other, effect([a[place] for place in places], [b[place] for place in places])))
    corrected = holm([own.p for _, _, own in found])
    return [Comparison(measure, *own, p) for own, p in zip(found, corrected, strict=True)]
