"""``emgen track``: from the label images of a series to tracks, events and numbers over time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from emgen.engine.progress import Progress, Silent
from emgen.errors import BadImageError, NoParticlesError, SpecError
from emgen.files import make_folder
from emgen.particles import measure
from emgen.particles.instances import MEANINGS, Meaning
from emgen.particles.tables import concatenated
from emgen.series.coalescence import find_coalescences, tracks_of
from emgen.series.drift import Points, shift_of_images, shift_of_particles
from emgen.series.events import Event, Field, find_events, separate
from emgen.series.link import Reach, choose_memory, choose_reach, cut_at_jumps, link, miss_rate, refined_drift
from emgen.series.read import FrameReader, ReadFrame
from emgen.series.sources import SeriesFrame, Sources, find_frames

if TYPE_CHECKING:
    import pandas

    from emgen.host import Host

Drift = Literal["auto", "particles", "images", "none"]
DRIFTS: tuple[Drift, ...] = get_args(Drift)
FIRST_MEMORY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a series is followed; None: chosen from the data.

    Attributes
    ----------
    pixel_size_nm: of all frames; goes over what files and summary say. frame_time_s: from frame to frame.
    meaning: of the label files: ``labels``, ``mask`` or ``probability``.
    search_range_px: how far a particle may move from frame to frame, drift aside. memory: how many frames in a row it
        may be missed. drift: measured from ``particles``, from ``images``, not at all (``none``), or ``auto``: from
        particles, and from images between frames whose particles do not agree.
    """

    pixel_size_nm: float | None = None
    frame_time_s: float | None = None
    meaning: Meaning | None = None
    search_range_px: float | None = None
    memory: int | None = None
    drift: Drift = "auto"

    def __post_init__(self) -> None:
        for name, unit in (("pixel_size_nm", "nm"), ("frame_time_s", "s"), ("search_range_px", "px")):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise SpecError(f"{name}: {value:g} {unit} is no size. Give a number above 0, or leave it out.")
        if self.memory is not None and self.memory < 0:
            raise SpecError(f"memory: {self.memory} is no number of frames. Give 0 or more, or leave it out.")
        for name, value, known in (("drift", self.drift, DRIFTS), ("meaning", self.meaning or "labels", MEANINGS)):
            if value not in known:
                raise SpecError(f"{name}: {value!r} is none of {', '.join(known)}.")


@dataclass(slots=True)
class Followed:
    """What was found and written to ``folder``.

    ``tracks``: one row a particle and frame; ``series``: one row a frame; ``events``: one row an event; ``summary``:
    what ``summary.json`` holds.
    """

    folder: Path
    tracks: pandas.DataFrame
    series: pandas.DataFrame
    events: pandas.DataFrame
    summary: dict[str, Any]


@dataclass(slots=True)
class Seen:
    """What one pass over the frames leaves; ``shift`` in px since the first frame."""

    tables: list[pandas.DataFrame] = field(default_factory=list)
    points: list[Points] = field(default_factory=list)
    shift: list[NDArray[np.float64]] = field(default_factory=list)
    pixel_sizes: list[float | None] = field(default_factory=list)
    drift_by: list[str] = field(default_factory=list)
    last: ReadFrame | None = None


@dataclass(slots=True)
class Linked:
    """The series once its tracks are known."""

    table: pandas.DataFrame
    events: list[Event]
    field: Field
    reach: Reach
    memory: int
    missed: float


def follow(
    labels: Sequence[str | Path],
    out: Path,
    host: Host,
    *,
    images: Sequence[str | Path] = (),
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Followed:
    """Link the particles of a series from frame to frame and write what follows to ``out``.

    Frames are read one at a time; what grows with their number is the table of particles. Raises ``NoImagesError``,
    ``BadImageError`` (a frame of another size, images that do not fit), ``NoParticlesError``, ``SpecError``,
    ``OutputError``; each before anything is written, but for a disk that fills up.
    """
    from emgen.series.write import write_followed

    sources = find_frames(labels, images, host)
    make_folder(out)
    seen = _look(sources, FrameReader(host, settings.pixel_size_nm, settings.meaning), settings, progress or Silent())
    if not any(len(points) for points in seen.points):
        raise NoParticlesError(
            f"{sources.frames[0].labels.path} and the {len(sources.frames) - 1} frames after it hold no particle, so "
            "there is nothing to follow. Look at the label images, or segment with another model."
        )
    size = _pixel_size(seen, sources)
    return write_followed(out, sources, seen, _linked(seen, settings), settings, size)


def _look(sources: Sources, reader: FrameReader, settings: Settings, progress: Progress) -> Seen:
    seen, before = Seen(), _Before(settings.drift)
    label, started = "frames", time.monotonic()
    progress.expect([label])
    progress.begin(label)
    progress.plan(label, len(sources.frames))
    for index, source in enumerate(sources.frames):
        frame = reader.read(source)
        table = _measured(frame, index, source)
        points = Points(
            table[["centroid_y_px", "centroid_x_px"]].to_numpy(float),
            table["area_px"].to_numpy(float),
            ~table["border"].to_numpy(bool),
        )
        shift, by = before.shift(points, frame.image_HW)
        seen.tables.append(table)
        seen.points.append(points)
        seen.shift.append(shift)
        seen.drift_by.append(by)
        seen.pixel_sizes.append(frame.pixel_size_nm)
        seen.last = frame
        progress.log(label, index + 1, {"particles": len(points)})
    progress.end(label, cached=False, seconds=time.monotonic() - started)
    return seen


class _Before:
    """The frame that the next is compared with: the last in which there was something to compare."""

    def __init__(self, how: Drift) -> None:
        self._how = how
        self._points: Points | None = None
        self._image_HW: NDArray[Any] | None = None
        self._at_points, self._at_image, self._now = np.zeros(2), np.zeros(2), np.zeros(2)

    def shift(self, points: Points, image_HW: NDArray[Any] | None) -> tuple[NDArray[np.float64], str]:
        """(y, x) of this frame since the first, and what it was measured from."""
        found, by = self._measured(points, image_HW)
        self._now = self._now if found is None else found
        if len(points):
            self._points, self._at_points = points, self._now
        if image_HW is not None and self._how in ("auto", "images"):
            self._image_HW, self._at_image = image_HW, self._now
        return self._now, by

    def _measured(self, points: Points, image_HW: NDArray[Any] | None) -> tuple[NDArray[np.float64] | None, str]:
        if self._how in ("auto", "particles") and self._points is not None:
            found = shift_of_particles(self._points, points)
            if found is not None:
                return self._at_points + found, "particles"
        if self._how in ("auto", "images") and self._image_HW is not None and image_HW is not None:
            return self._at_image + shift_of_images(self._image_HW, image_HW), "images"
        return None, "nothing"


def _measured(frame: ReadFrame, index: int, source: SeriesFrame) -> pandas.DataFrame:
    image_HW = None if frame.image_HW is None else frame.image_HW.astype(np.float32)
    table = measure(frame.label_HW, image_HW, None, source.name)
    table.insert(0, "frame", index)
    return table


def _pixel_size(seen: Seen, sources: Sources) -> float | None:
    """The one of all frames; None, and a note, where some lack it. Raises ``BadImageError`` where two differ."""
    known = [(size, index) for index, size in enumerate(seen.pixel_sizes) if size is not None]
    if not known:
        return None
    size, first = known[0]
    for other, index in known:
        if abs(other / size - 1) > 1e-3:
            paths = [sources.frames[one].labels.path for one in (first, index)]
            raise BadImageError(
                f"{paths[1]}: pixel size {other:.6g} nm, {paths[0]}: {size:.6g} nm. The frames of a series have one; "
                "give it with --pixel-size."
            )
    if len(known) < len(seen.pixel_sizes):
        sources.notes.append(
            f"the pixel size is known of {len(known)} of {len(seen.pixel_sizes)} frames, so lengths are in px alone"
        )
        return None
    return size


def _linked(seen: Seen, settings: Settings) -> Linked:
    """Linked once with the drift between frames, whose errors add up; then with the drift that the tracks show."""
    table, shift_N2 = concatenated(seen.tables), np.array(seen.shift)
    reach = choose_reach(seen.points, shift_N2)
    if settings.search_range_px is not None:
        reach = replace(reach, search_range=settings.search_range_px)
    memory = FIRST_MEMORY if settings.memory is None else settings.memory
    _place(table, shift_N2)
    table["track"] = link(_places(seen.points, shift_N2), reach.search_range, memory)
    if settings.drift != "none":
        shift_N2 = shift_N2 + refined_drift(table, len(shift_N2))
    missed = miss_rate(table["frame"].to_numpy(np.int64), table["track"].to_numpy(np.int64))
    memory = choose_memory(missed, len(table)) if settings.memory is None else settings.memory
    _place(table, shift_N2)
    table["track"] = link(_places(seen.points, shift_N2), reach.search_range, memory)
    table["track"] = cut_at_jumps(table, reach.diameter) + 1
    return _with_events(table, Field(_shape(seen), shift_N2), reach, memory, missed)


def _with_events(table: pandas.DataFrame, view: Field, reach: Reach, memory: int, missed: float) -> Linked:
    found = find_coalescences(tracks_of(table), reach.search_range, memory, view.last)
    coalescences = separate(table, found)
    events = find_events(table, coalescences, view, reach.search_range, memory)
    return Linked(table, events, view, reach, memory, missed)


def _place(table: pandas.DataFrame, shift_N2: NDArray[np.float64]) -> None:
    """Drift-corrected places ``y`` and ``x`` in px."""
    frame = table["frame"].to_numpy(int)
    table["y"] = table["centroid_y_px"].to_numpy(float) - shift_N2[frame, 0]
    table["x"] = table["centroid_x_px"].to_numpy(float) - shift_N2[frame, 1]


def _places(points: Sequence[Points], shift_N2: NDArray[np.float64]) -> Any:
    return (own.place_K2 - shift for own, shift in zip(points, shift_N2, strict=True))


def _shape(seen: Seen) -> tuple[int, int]:
    height, width = seen.last.label_HW.shape if seen.last is not None else (0, 0)
    return height, width
