"""How well a series was followed, where the truth is known: links, events and drift of phantom series.

``python -m emgen.testing.series_scores`` prints the table of ``docs/explanation/time.md``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.testing.phantoms.series import PhantomSeries, degraded, phantom_series
from emgen.testing.phantoms.series_motion import TruthEvent

if TYPE_CHECKING:
    import pandas

    from emgen.series.following import Followed

TOLERANCE = 4
"""Frames that an event may be told early or late: particles that touch are missed, or take time to become one."""
ROUGH = {"missed": 0.1, "rough": 1.0, "false": 0.05}
CASES: Mapping[str, tuple[dict[str, Any], dict[str, float]]] = {
    "2 px a frame": ({}, {}),
    "20 px a frame": ({"drift": 20.0, "wander": 3.0}, {}),
    "60 px a frame": ({"drift": 60.0, "wander": 6.0, "frames": 20}, {}),
    "jumps of up to 120 px": ({"jumps": 6, "jump": 120.0}, {}),
    "lively: 1.5 px a frame on their own": ({"migration": 1.5}, {}),
    "crowded": ({"particles": 160, "diameter": 12.0, "coalescences": 40}, {}),
    "ripening": ({"ripening": 0.15}, {}),
    "2 px, rough labels": ({}, ROUGH),
    "20 px, rough labels": ({"drift": 20.0, "wander": 3.0}, ROUGH),
    "lively, rough labels": ({"migration": 1.5}, ROUGH),
    "crowded, rough labels": ({"particles": 160, "diameter": 12.0, "coalescences": 40}, ROUGH),
    "ripening, rough labels": ({"ripening": 0.15}, ROUGH),
    "nothing coalesces, rough labels": ({"coalescences": 0, "births": 15, "deaths": 15}, ROUGH),
}
"""Settings of the series, and what is wrong with its labels."""


@dataclass(slots=True)
class Tally:
    """Found and true, found but false, true but not found."""

    hit: int = 0
    false: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """NaN where nothing was found."""
        return self.hit / (self.hit + self.false) if self.hit + self.false else float("nan")

    @property
    def recall(self) -> float:
        """NaN where there is nothing to find."""
        return self.hit / (self.hit + self.missed) if self.hit + self.missed else float("nan")

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.hit + other.hit, self.false + other.false, self.missed + other.missed)


@dataclass(slots=True)
class Scores:
    """Of one series. ``drift_px``: root mean square distance of measured and true drift over its frames."""

    links: Tally = field(default_factory=Tally)
    events: dict[str, Tally] = field(default_factory=dict)
    drift_px: float = float("nan")


def score_followed(followed: Followed, series: PhantomSeries) -> Scores:
    """The labels must be numbered as ``series[i].label_HW`` is (``degraded`` keeps the numbers)."""
    ids = [series.labels(index)[1] for index in range(len(series))]
    table = followed.tracks[["track", "frame", "label"]].copy()
    rows = zip(table["frame"].tolist(), table["label"].tolist(), strict=True)
    table["id"] = [int(ids[f][n - 1]) if n <= len(ids[f]) else -1 for f, n in rows]
    drift = followed.series[["drift_y_px", "drift_x_px"]].to_numpy(float)
    off = float(np.sqrt(((drift - series.shift_N2) ** 2).sum(axis=1).mean()))
    kinds = ("coalescence", "appearance", "disappearance")
    memory = int(followed.summary["search"]["memory_frames"])
    events = {kind: _events(kind, followed.events, table, series) for kind in kinds}
    return Scores(_links(table, series.events, memory), events, off)


def follow_phantom(series: PhantomSeries, faults: Mapping[str, float], folder: Path, **settings: Any) -> Followed:
    """The series through ``emgen.api.track``, as files in ``folder``, from its labels alone."""
    from emgen.api import track
    from emgen.particles import write_labels

    labels = folder / "labels"
    labels.mkdir(parents=True)
    for index in range(len(series)):
        rng = np.random.default_rng([series.seed, 11, index])
        write_labels(labels, f"frame_{index:04d}", degraded(series.labels(index)[0], rng, **faults))
    return track(labels, folder / "out", **settings)


def _links(table: pandas.DataFrame, events: Sequence[TruthEvent], memory: int) -> Tally:
    """Pairs of rows that are one particle, at most ``memory`` frames apart. From a parent to its child is neither."""
    family = {(parent, event.child) for event in events for parent in event.parents}
    true = set(_pairs(table[table["id"] >= 0], "id", memory))
    ids = table["id"]
    made = {pair for pair in _pairs(table, "track", memory) if (ids[pair[0]], ids[pair[1]]) not in family}
    return Tally(len(true & made), len(made - true), len(true - made))


def _pairs(table: pandas.DataFrame, column: str, memory: int) -> Iterator[tuple[int, int]]:
    rows = table.sort_values([column, "frame"], kind="stable")
    numbers, frames, index = rows[column].tolist(), rows["frame"].tolist(), rows.index.tolist()
    for one in range(len(rows) - 1):
        if numbers[one] == numbers[one + 1] and frames[one + 1] - frames[one] <= memory + 1:
            yield index[one], index[one + 1]


def _events(kind: str, found: pandas.DataFrame, table: pandas.DataFrame, series: PhantomSeries) -> Tally:
    """Of the events that could be seen: the particles whole in the field before and after."""
    everything = [event for event in series.events if event.kind == kind]
    seen = [event for event in everything if _visible(event, series)]
    unseen = [event for event in everything if event not in seen]
    open_, tally = list(seen), Tally()
    kept = found[found["kind"] == kind]
    for row, frame in zip(kept.itertuples(), kept["frame"].astype(int).tolist(), strict=True):
        parents, child = _ids(row, table, before=True), _ids(row, table, before=False)
        told = (kind, frame, parents, child)
        hit = next((event for event in open_ if _alike(event, *told)), None)
        if hit is not None:
            open_.remove(hit)
            tally.hit += 1
        elif not any(_alike(event, *told) for event in unseen):
            tally.false += 1
    tally.missed = len(open_)
    return tally


def _alike(event: TruthEvent, kind: str, frame: int, parents: frozenset[int], child: frozenset[int]) -> bool:
    if abs(event.frame - frame) > TOLERANCE:
        return False
    return child == {event.child} if kind == "appearance" else parents == frozenset(event.parents)


def _ids(row: Any, table: pandas.DataFrame, *, before: bool) -> frozenset[int]:
    """The true particles that the tracks of an event are, by their three appearances next to it."""
    numbers = [int(number) for number in str(row.parents).split()] if before else [row.child]
    found = set()
    for number in numbers:
        rows = table[(table["track"] == number) & ((table["frame"] < row.frame) == before)].sort_values("frame")["id"]
        near = (rows.tail(3) if before else rows.head(3)).mode()
        found |= {int(near.iloc[0])} if len(near) else set()
    return frozenset(found)


def _visible(event: TruthEvent, series: PhantomSeries) -> bool:
    """Whole in the field before and after, and not in the first or last frames, of which nobody can say."""
    if not TOLERANCE <= event.frame < len(series) - TOLERANCE:
        return False
    last, now = series.moments[event.frame - 1], series.moments[event.frame]
    before = all(_whole(parent, last, event.frame - 1, series) for parent in event.parents)
    return before and (event.child is None or _whole(event.child, now, event.frame, series))


def _whole(number: int, moment: Any, frame: int, series: PhantomSeries) -> bool:
    row = np.flatnonzero(moment.id_K == number)
    place = moment.place_K2[row[0]] - series.origin_2 + series.shift_N2[frame]
    margin = 2.0 * moment.radius_K[row[0]] + 2
    return bool((place >= margin).all() and (place <= np.array(series.settings.shape_HW) - 1 - margin).all())


def main(seeds: Sequence[int] = (21, 22)) -> None:
    print("| series | links P | links R | coalescence P | R | appearance P | R | disappearance P | R | drift, px |")
    print("| --- " * 10 + "|")
    for name, (settings, faults) in CASES.items():
        scores = []
        for seed in seeds:
            series = phantom_series(seed=seed, **settings)
            with tempfile.TemporaryDirectory() as folder:
                scores.append(score_followed(follow_phantom(series, faults, Path(folder)), series))
        print(_line(name, scores), flush=True)


def _line(name: str, scores: Sequence[Scores]) -> str:
    links = sum((one.links for one in scores), Tally())
    cells = [f"{links.precision:.4f}", f"{links.recall:.4f}"]
    for kind in ("coalescence", "appearance", "disappearance"):
        tally = sum((one.events[kind] for one in scores), Tally())
        cells += [f"{tally.hit}/{tally.hit + tally.false}", f"{tally.hit}/{tally.hit + tally.missed}"]
    return f"| {name} | " + " | ".join(cells) + f" | {np.mean([one.drift_px for one in scores]):.2f} |"


if __name__ == "__main__":
    main()
