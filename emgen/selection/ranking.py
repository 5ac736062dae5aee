"""The rule: from a table of candidates to one choice, and to the end of a training that no longer gets better.

1. A candidate that is clearly worse than another in a vetoing criterion is out, one criterion after the other, among
   those that the one before has left: images that do not fit their labels are of no use, however real they look.
2. In each criterion a candidate has rank 1 plus the number of those that are clearly better. Differences that may be
   chance make no rank.
3. The lowest mean rank wins. Of equal ones the latest: it has been trained for longest, and nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emgen.selection.measure import Criterion, Measured, clearly_better


@dataclass(frozen=True, slots=True)
class Candidate:
    """A state after so many steps, and its numbers by the name of the criterion."""

    step: int
    measures: Mapping[str, Measured]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Ranks by criterion, their mean, and of a candidate that is out the name of the criterion that says so."""

    step: int
    ranks: Mapping[str, int]
    mean_rank: float
    out: str | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """``rows`` in the order of the steps; ``order``: steps from best to worst; ``chosen`` is the first of them."""

    rows: tuple[Ranked, ...]
    order: tuple[int, ...]
    why: str

    @property
    def chosen(self) -> int:
        return self.order[0]


def rank(candidates: Sequence[Candidate], criteria: Sequence[Criterion]) -> Ranking:
    """Raises ``ValueError`` for no candidate. Every candidate has a number in every criterion."""
    if not candidates:
        raise ValueError("there is no candidate to choose from")
    vetoed = _vetoed(candidates, criteria)
    eligible = [candidate for candidate in candidates if candidate.step not in vetoed]
    rows = tuple(
        _ranked(candidate, eligible, criteria, vetoed.get(candidate.step))
        for candidate in sorted(candidates, key=lambda each: each.step)
    )
    order = sorted(rows, key=lambda row: (row.out is not None, row.mean_rank, -row.step))
    titles = {criterion.name: criterion.title for criterion in criteria}
    return Ranking(rows, tuple(row.step for row in order), _why(order, titles))


def may_end(candidates: Sequence[Candidate], criteria: Sequence[Criterion], patience: int | None) -> bool:
    """Whether training may end: the last ``patience`` candidates are all clearly no better than an earlier one.

    That is, the one chosen so far is ahead of each of them: clearly better in some criterion, clearly worse in none.
    ``None``: never.
    """
    if patience is None or len(candidates) <= patience:
        return False
    by_step = sorted(candidates, key=lambda each: each.step)
    chosen = rank(by_step, criteria).chosen
    best = next(candidate for candidate in by_step if candidate.step == chosen)
    latest = by_step[-patience:]
    return best not in latest and all(_ahead(best, candidate, criteria) for candidate in latest)


def _vetoed(candidates: Sequence[Candidate], criteria: Sequence[Criterion]) -> dict[int, str]:
    """Step of each candidate that is out, and the name of the criterion that says so."""
    out: dict[int, str] = {}
    for criterion in criteria:
        if criterion.veto:
            left = [candidate for candidate in candidates if candidate.step not in out]
            out |= {each.step: criterion.name for each in left if _better_ones(each, left, criterion)}
    return out


def _better_ones(candidate: Candidate, among: Sequence[Candidate], criterion: Criterion) -> int:
    own = candidate.measures[criterion.name]
    return sum(clearly_better(other.measures[criterion.name], own, criterion) for other in among)


def _ranked(
    candidate: Candidate, eligible: Sequence[Candidate], criteria: Sequence[Criterion], out: str | None
) -> Ranked:
    ranks = {criterion.name: 1 + _better_ones(candidate, eligible, criterion) for criterion in criteria}
    return Ranked(candidate.step, ranks, float(np.mean(list(ranks.values()))) if ranks else 1.0, out)


def _ahead(a: Candidate, b: Candidate, criteria: Sequence[Criterion]) -> bool:
    return _wins(a, b, criteria) > 0 and not _wins(b, a, criteria)


def _wins(a: Candidate, b: Candidate, criteria: Sequence[Criterion]) -> int:
    return sum(clearly_better(a.measures[c.name], b.measures[c.name], c) for c in criteria)


def _why(order: Sequence[Ranked], titles: Mapping[str, str]) -> str:
    best = order[0]
    equal = [row.step for row in order[1:] if row.out is None and row.mean_rank == best.mean_rank]
    said = f"lowest mean rank, {best.mean_rank:.2g}"
    if equal:
        said += f"; as good as {_steps(equal)} within the intervals, and the latest of them"
    for name, title in titles.items():
        if out := [row.step for row in order if row.out == name]:
            said += f"; {_steps(out)} left out: clearly worse in “{title}”"
    return said


def _steps(steps: Sequence[int]) -> str:
    return ("step " if len(steps) == 1 else "steps ") + ", ".join(map(str, sorted(steps)))
