"""What a study says: sections of a page (tables, charts, pictures), and sentences that answer its question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emgen.report.meanings import MEANINGS
from emgen.report.pictures import Strip
from emgen.report.text import number
from emgen.study.scoring import MEASURES, Measure
from emgen.study.statistics import LEAST, Effect, effect, holm
from emgen.study.trial import Result

Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """Texts. ``better``: by column, whether the highest or the lowest number is the best."""

    columns: Sequence[str]
    rows: Sequence[Row]
    title: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Chart:
    """An SVG under a title."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    strips: Sequence[Strip] = ()


@dataclass(frozen=True)
class Comparison:
    """``arm`` less ``other`` in one measure, in pairs. ``p_holm``: p corrected for the comparisons of that measure."""

    measure: str
    arm: str
    other: str
    effect: Effect
    p_holm: float

    def to_dict(self) -> dict[str, Any]:
        own = self.effect
        return {
            "measure": self.measure,
            "arm": self.arm,
            "less": self.other,
            "difference": own.mean,
            "low": own.low,
            "high": own.high,
            "n": own.n,
            "p": own.p,
            "p_holm": self.p_holm,
        }


@dataclass(frozen=True)
class Summary:
    """``answers``: what came out, in sentences. ``comparisons``: the effect sizes, also written as a file."""

    answers: Sequence[str]
    sections: Sequence[Section]
    comparisons: Sequence[Comparison] = field(default_factory=tuple)


def done(results: Iterable[Result]) -> list[Result]:
    return [result for result in results if result.status == "done"]


def by_arm(results: Iterable[Result]) -> dict[str, list[Result]]:
    """In the order in which the arms first come, each by seed."""
    arms: dict[str, list[Result]] = {}
    for result in done(results):
        arms.setdefault(result.trial.arm, []).append(result)
    return {arm: sorted(own, key=lambda result: result.trial.seed) for arm, own in arms.items()}


def values_by_seed(results: Iterable[Result], name: str) -> dict[int, float]:
    """Of one arm; seeds whose value is missing or not finite are left out."""
    found = {r.trial.seed: r.outcome.values[name] for r in results if name in r.outcome.values}
    return {seed: float(value) for seed, value in found.items() if np.isfinite(value)}


def compare(pairs: Sequence[tuple[str, str]], arms: Mapping[str, Sequence[Result]], measure: str) -> list[Comparison]:
    """The first of each pair less the second, over the seeds that both have; p corrected for the number of pairs."""
    found: list[tuple[str, str, Effect]] = []
    for arm, other in pairs:
        a, b = (values_by_seed(arms.get(name, ()), measure) for name in (arm, other))
        seeds = sorted(set(a) & set(b))
        if seeds:
            found.append((arm, other, effect([a[seed] for seed in seeds], [b[seed] for seed in seeds])))
    corrected = holm([own.p for _, _, own in found])
    return [
        Comparison(measure, arm, other, own, float(p)) for (arm, other, own), p in zip(found, corrected, strict=True)
    ]


def scores_table(arms: Mapping[str, Sequence[Result]], measures: Sequence[str], title: str = "") -> Table:
    """One row an arm: mean ± standard deviation over the seeds."""
    known = [name for name in measures if any(values_by_seed(own, name) for own in arms.values())]
    rows = [
        [arm, *(spread(values_by_seed(own, name).values(), percent=_is_share(name)) for name in known)]
        for arm, own in arms.items()
    ]
    words = [f"{MEASURES[name].title}: {MEASURES[name].words}." for name in known if name in MEASURES]
    return Table(["", *(title_of(name) for name in known)], rows, title, words)


def effects_table(comparisons: Sequence[Comparison], title: str = "", paired_by: str = "seed") -> Table:
    """Differences in points (hundredths) of a share, with the interval; p after Holm. No row, no table."""
    rows = []
    for own in comparisons:
        points = _is_share(own.measure)
        rows.append(
            [
                f"{own.arm} − {own.other}",
                title_of(own.measure),
                difference(own.effect.mean, points=points),
                interval(own.effect, points=points),
                number(own.p_holm) if np.isfinite(own.p_holm) else "–",
                str(own.effect.n),
            ]
        )
    notes = [
        f"Differences of shares in points (hundredths). Paired by {paired_by}; p by Holm for the pairs of one measure."
    ]
    if any(own.effect.n < LEAST for own in comparisons):
        notes.append("Fewer than three seeds give no interval: run the study again with --seed 0 --seed 1 --seed 2.")
    return Table(["", "measure", "difference", "95 % interval", "p", "pairs"], rows, title, notes)


def spread(values: Iterable[float], *, percent: bool = False) -> str:
    """
    >>> spread([0.70, 0.72], percent=True), spread([12.0])
    ('71.0 ± 1.4 %', '12.0')
    """
    own = np.array(list(values), float)
    if not len(own):
        return "–"
    factor, unit = (100.0, " %") if percent else (1.0, "")
    show: Callable[[float], str] = (lambda value: f"{value:.1f}") if percent else number
    deviation = f" ± {show(float(factor * own.std(ddof=1)))}" if len(own) > 1 else ""
    return f"{show(float(factor * own.mean()))}{deviation}{unit}"


def difference(value: float, *, points: bool) -> str:
    """
    >>> difference(0.0512, points=True), difference(-3.2, points=False)
    ('+5.1', '−3.20')
    """
    text = f"{abs(100 * value):.1f}" if points else number(abs(float(value)))
    return ("+" if value >= 0 else "−") + text


def interval(own: Effect, *, points: bool) -> str:
    if not (np.isfinite(own.low) and np.isfinite(own.high)):
        return "–"
    return f"{difference(own.low, points=points)} … {difference(own.high, points=points)}"


def sentence(own: Comparison) -> str:
    """``A − B: +5.1 points of MIoU (95 % interval +2.0 … +8.2, 3 seeds)``; says so where 0 is in it."""
    points = _is_share(own.measure)
    unit = f"points of {title_of(own.measure)}" if points else f"in {title_of(own.measure)}"
    sure = interval(own.effect, points=points)
    few = "one seed" if own.effect.n == 1 else f"{own.effect.n} seeds"
    known = f"95 % interval {sure}, {own.effect.n} seeds" if sure != "–" else f"{few}, so no interval"
    if sure != "–" and not own.effect.distinguishable:
        known += "; not distinguishable"
    return f"{own.arm} − {own.other}: {difference(own.effect.mean, points=points)} {unit} ({known})"


def title_of(name: str) -> str:
    extra = {"steps_to_95": "steps to 95 %", "diameter_bias": "Δ mean diameter", "mean_diameter": "mean diameter, px"}
    if name.startswith("rough_"):
        return f"rough masks: {title_of(name.removeprefix('rough_'))}"
    if name in MEASURES:
        return MEASURES[name].title
    return extra.get(name) or (MEANINGS[name].title if name in MEANINGS else name.replace("_", " "))


def _is_share(name: str) -> bool:
    name = name.removeprefix("rough_")
    measure: Measure | None = MEASURES.get(name)
    return measure.percent if measure else name in ("diameter_bias", "iou_particle")
