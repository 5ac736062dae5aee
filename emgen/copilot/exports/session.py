"""What an export reads: the frames of a session, some at a time, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from emgen.copilot.journal import DONE, Journal
from emgen.copilot.places import Places
from emgen.copilot.sizes import SessionSizes, sizes_of_frame
from emgen.copilot.trend import Trend

UNITS = ("nm", "px")
_AT_A_TIME = 1000
_DIGEST = 12
"""Hexadecimal digits by which tables name a model."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Session:
    """``chosen``: only frames of these numbers. ``heard`` is told how far the export is, 0 to 1.

    Frames that are answered while it is read may be left out.
    """

    journal: Journal
    places: Places
    chosen: frozenset[int] | None = None
    heard: Callable[[float], None] = lambda share: None
    tell: Callable[[str], None] = lambda line: None
    models: Mapping[int, Row] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", {row["id"]: row for row in self.journal.models()})

    @property
    def name(self) -> str:
        return self.places.root.resolve().name

    def answered(self, part: tuple[float, float] = (0.0, 1.0)) -> Iterator[Row]:
        """Answered frames in order (``Journal.answered``). ``part``: of the export, that this reading is."""
        return self._heard(self.journal.answered(), self.count(), part)

    def all_frames(self) -> Iterator[Row]:
        """In order, whatever became of them (``Journal.frames``)."""
        total = self.journal.counts()["received"] if self.chosen is None else len(self.chosen)
        return self._heard(self._pages(), total, (0.0, 1.0))

    def count(self) -> int:
        """How many ``answered`` gives, at most."""
        done = self.journal.counts()[DONE]
        return done if self.chosen is None else min(done, len(self.chosen))

    def digest_of(self, row: Row) -> str:
        """The first digits of the digest of the model that answered."""
        model = self.models.get(row["model"])
        return model["digest"][:_DIGEST] if model else ""

    def _pages(self) -> Iterator[Row]:
        last = 0
        while rows := self.journal.frames(last, _AT_A_TIME):
            yield from rows
            last = rows[-1]["id"]

    def _heard(self, rows: Iterable[Row], total: int, part: tuple[float, float]) -> Iterator[Row]:
        last, begin, end, seen = self.journal.last_frame(), *part, 0
        for row in rows:
            if row["id"] > last:  # came in since; an export of a session that goes on has an end as well
                return
            if self.chosen is None or row["id"] in self.chosen:
                yield row
                seen += 1
                self.heard(begin + (end - begin) * min(1.0, seen / max(total, 1)))


class Growth:
    """Sizes and lines of a session while frames are added, in both units, as the service counts them."""

    def __init__(self, units: Iterable[str] = UNITS) -> None:
        self.sizes = {unit: SessionSizes(unit) for unit in units}
        self.trend = {unit: Trend() for unit in self.sizes}
        self.frames = self.particles = 0
        self.first = self.last = 0
        self.begin = self.end = 0.0
        self.by_model: dict[int | None, int] = {}
        self.began: dict[int | None, float] = {}
        """Time of the first frame that each model answered."""

    @property
    def unit(self) -> str:
        """nm where any frame has a pixel size."""
        return "nm" if "nm" in self.sizes and self.sizes["nm"].frames else "px"

    @property
    def unscaled(self) -> int:
        """Frames without a pixel size."""
        return self.frames - self.sizes["nm"].frames if "nm" in self.sizes else 0

    def add(self, row: Row) -> None:
        """A row of ``Session.answered``."""
        self.first = self.first or row["id"]
        self.begin = min(self.begin or time_of(row), time_of(row))
        self.last, self.end = row["id"], max(self.end, time_of(row))
        self.frames += 1
        self.particles += row["particles"]
        self.by_model[row["model"]] = self.by_model.get(row["model"], 0) + 1
        self.began.setdefault(row["model"], time_of(row))
        for unit in self.sizes:
            self._add(row, unit)

    def _add(self, row: Row, unit: str) -> None:
        diameter_K = diameters(row, unit)
        if diameter_K is None:
            return
        self.sizes[unit].add(row["id"], diameter_K)
        mean = sizes_of_frame(diameter_K, unit).mean
        self.trend[unit].add(
            at=time_of(row),
            mean=mean.value,
            low=mean.low,
            high=mean.high,
            particles=row["particles"],
            coverage=row["coverage"],
            domain=row["domain_score"],
        )


def diameters(row: Row, unit: str) -> Any:
    """(K,) of whole particles; ``None`` where the frame has no pixel size and nm are asked for."""
    size = 1.0 if unit == "px" else row["pixel_size_nm"]
    return None if size is None else np.frombuffer(row["sizes"], "<f4").astype(float) * size


def time_of(row: Row) -> float:
    """Seconds since 1970: when the frame's file was closed, else when it came in."""
    return float(row["closed_at"] or row["received_at"])


def told_time(seconds: float) -> str:
    """
    >>> told_time(0.25)
    '1970-01-01 00:00:00 UTC'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(seconds: float | None) -> str:
    """
    >>> iso(0.25), iso(None)
    ('1970-01-01T00:00:00.250Z', '')
    """
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
