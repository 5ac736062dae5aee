"""Which of several states of a training is best, by criteria that need no label; pure numbers, no images."""

from emgen.selection.measure import Criterion, Measured, clearly_better, leave_out
from emgen.selection.ranking import Candidate, Ranked, Ranking, may_end, rank

__all__ = [
    "Candidate",
    "Criterion",
    "Measured",
    "Ranked",
    "Ranking",
    "clearly_better",
    "leave_out",
    "may_end",
    "rank",
]
