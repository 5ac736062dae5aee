"""Score tables: each score with its meaning in plain words, what it is worth, and the features that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emgen.report.meanings import MEANINGS, Meaning
from emgen.report.run import Missing
from emgen.report.text import number

GENERATIONS = {"first_generation": "1st generation", "second_generation": "2nd generation"}
ENDINGS = ("_sd", "_low", "_high", "_floor", "_p", "_same_size")
"""Of names that tell of another score, and stand beside it rather than in a row."""

Values = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """``values``: a text for each generation; ``worth``: what that value proves, empty where nobody says."""

    title: str
    better: str
    words: str
    values: tuple[str, ...]
    best: int | None
    worth: tuple[str, ...]
    features: str


@dataclass(frozen=True, slots=True)
class ScoreTable:
    columns: tuple[str, ...]
    rows: tuple[ScoreRow, ...]


def score_table(scores: Mapping[str, Any]) -> ScoreTable:
    """From ``scores[generation][metric][score]``. Raises ``Missing`` where there is none."""
    groups = {str(name): metrics for name, metrics in scores.items() if isinstance(metrics, Mapping)}
    columns = [
        {str(metric): found for metric, found in metrics.items() if isinstance(found, Mapping)}
        for metrics in groups.values()
    ]
    rows = []
    for metric in dict.fromkeys(metric for column in columns for metric in column):
        results = [column.get(metric, {}) for column in columns]
        names = dict.fromkeys(name for result in results for name in result)
        rows += [_row(name, results) for name in names if _in_a_row(name, results)]
    if not rows:
        raise Missing("no scores yet")
    return ScoreTable(tuple(GENERATIONS.get(name, name) for name in groups), tuple(rows))


def headline(scores: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """(title, value, remark) of the score that best tells how far the 2nd generation came, or ``None``."""
    first, second = (_flat(scores.get(name)) for name in GENERATIONS)
    for name in ("fid", "fid_encoder", "mmd2"):
        if name in second:
            before = f"1st generation {number(first[name])}" if name in first else "2nd generation"
            return MEANINGS[name].title, number(second[name]), before
    return None


def lines(result: Values) -> list[tuple[str, str, str]]:
    """Of one metric: name, value and worth of each score, as a terminal shows them."""
    return [(name, told(name, result), worth(name, result)) for name in result if _in_a_row(name, [result])]


def told(name: str, result: Values) -> str:
    """A score with its spread or interval.

    >>> told("ssim", {"ssim": 0.61, "ssim_sd": 0.04}), told("kid", {"kid": 0.012, "kid_low": 0.008, "kid_high": 0.016})
    ('0.610 ± 0.0400', '0.0120 (0.00800 … 0.0160)')
    """
    spread, low, high = (_finite(result.get(f"{name}{ending}")) for ending in ("_sd", "_low", "_high"))
    value = number(result.get(name))
    if low is not None and high is not None:
        return f"{value} ({number(low)} … {number(high)})"
    return f"{value} ± {number(spread)}" if spread is not None else value


def worth(name: str, result: Values) -> str:
    """The verdict on a score, with the noise floor that it rests on; empty where there is none.

    >>> worth("kid", {"kid": 0.01, "kid_floor": 0.02, "kid_p": 0.31, "verdict": "not distinguishable"})
    'not distinguishable: noise floor 0.0200, p = 0.310'
    """
    floor = result.get(f"{name}_floor")
    if floor is None:
        return ""
    same_size, p = result.get(f"{name}_same_size"), result.get(f"{name}_p")
    facts = [f"at equal numbers {number(same_size)}"] if same_size is not None else []
    facts += [f"noise floor {number(floor)}", *([f"p = {number(p)}"] if p is not None else [])]
    return f"{result.get('verdict', 'no verdict')}: {', '.join(facts)}"


def _flat(metrics: Any) -> dict[str, float]:
    """Numbers by score."""
    results = metrics.values() if isinstance(metrics, Mapping) else ()
    return {
        str(score): float(value)
        for result in results
        if isinstance(result, Mapping)
        for score, value in result.items()
        if isinstance(value, int | float)
    }


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None


def _in_a_row(name: str, results: list[Values]) -> bool:
    """Numbers that are scores of their own."""
    if any(isinstance(result.get(name), str) for result in results):
        return False
    return not any(name.endswith(end) and name.removesuffix(end) in result for end in ENDINGS for result in results)


def _row(name: str, results: list[Values]) -> ScoreRow:
    title = name.replace("_", " ")
    meaning = MEANINGS.get(name, Meaning(title, "", ""))
    values = [_finite(result.get(name)) for result in results]
    known = [(value, index) for index, value in enumerate(values) if value is not None]
    best = None
    if meaning.better and len({number(value) for value, _ in known}) > 1:  # what reads the same is no difference
        best = (min if meaning.better == "lower" else max)(known)[1]
    used = dict.fromkeys(str(result["features"]) for result in results if "features" in result)
    return ScoreRow(
        meaning.title,
        meaning.better,
        meaning.words,
        tuple(told(name, result) for result in results),
        best,
        tuple(worth(name, result) for result in results),
        "; ".join(used),
    )
