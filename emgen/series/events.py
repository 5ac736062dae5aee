"""What happened to particles: they coalesced, appeared, disappeared; or only came into the field, or left it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emgen.series.coalescence import Coalescence, Track, tracks_of

if TYPE_CHECKING:
    import pandas

KINDS = ("coalescence", "appearance", "disappearance", "entry", "exit")
"""``entry`` and ``exit``: over the edge of the field of view. They are no events of the specimen."""
LASTING = 3
"""Frames that a particle is found in, or its appearance and disappearance are not believed."""


@dataclass(frozen=True, slots=True)
class Event:
    """``frame``: the first in which it has happened. ``y``, ``x``: drift-corrected place in px.

    Areas in px: of the particle, or of a coalescence the parents' sum and what they became.
    """

    kind: str
    frame: int
    parents: tuple[int, ...]
    child: int | None
    y: float
    x: float
    area_before_px: float
    area_after_px: float


@dataclass(frozen=True, slots=True)
class Field:
    """What the microscope saw: ``shift_N2`` by which the specimen lay displaced in each frame, px."""

    shape_HW: tuple[int, int]
    shift_N2: NDArray[np.float64]

    @property
    def last(self) -> int:
        return len(self.shift_N2) - 1

    def near_edge(self, place_2: NDArray[np.float64], frame: int, margin: float) -> bool:
        """Whether a place on the specimen lay outside of the field in that frame, or within ``margin`` of its edge."""
        if not 0 <= frame <= self.last:
            return False
        y, x = place_2 + self.shift_N2[frame]
        height, width = self.shape_HW
        return bool(min(y, x, height - 1 - y, width - 1 - x) < margin)

    def common(self) -> tuple[float, float, float, float] | None:
        """Top, left, bottom, right of what all frames show, drift-corrected; None where it is under a tenth of one."""
        height, width = self.shape_HW
        top, left = (-self.shift_N2).max(axis=0)
        bottom, right = (np.array(self.shape_HW) - 1 - self.shift_N2).min(axis=0)
        enough = bottom > top and right > left and (bottom - top) * (right - left) >= 0.1 * height * width
        return (float(top), float(left), float(bottom), float(right)) if enough else None


def separate(table: pandas.DataFrame, coalescences: Sequence[Coalescence]) -> list[Coalescence]:
    """Gives what a coalescence leaves a track of its own, in place; the coalescences by the tracks that then are.

    A track is then one particle, and its size makes no jump where it took up another.
    """
    track, frame = table["track"].to_numpy(np.int64).copy(), table["frame"].to_numpy(np.int64)
    fresh = int(track.max(initial=0)) + 1
    now: dict[int, int] = {}
    renamed = []
    for event in sorted(coalescences, key=lambda one: (one.frame, one.child)):
        parents = tuple(sorted(now.get(parent, parent) for parent in event.parents))
        child = now.get(event.child, event.child)
        if event.child in event.parents:
            track[(track == child) & (frame >= event.frame)] = fresh
            now[event.child] = child = fresh
            fresh += 1
        renamed.append(Coalescence(event.frame, parents, child, event.before_px, event.after_px, event.sigmas))
    table["track"] = track
    return renamed


def find_events(
    table: pandas.DataFrame, coalescences: Sequence[Coalescence], field: Field, reach: float, memory: int
) -> list[Event]:
    """All events in order of their frames.

    Parameters
    ----------
    table: ``track``, ``frame``, ``y``, ``x``, ``area_px``, ``border``; tracks are particles (``separate``).
    reach, memory: of the links. A track that begins within the first ``memory`` frames may be of a particle that was
        missed before, one that ends within the last may come back: nothing is said of these.
    """
    tracks = {track.number: track for track in tracks_of(table)}
    parents = {number for event in coalescences for number in event.parents}
    children = {event.child for event in coalescences}
    events = [_coalesced(event, tracks) for event in coalescences]
    for track in tracks.values():
        if track.number not in children:
            events += _begun(track, field, reach, memory)
        if track.number not in parents:
            events += _ended(track, field, reach, memory)
    return sorted(events, key=lambda event: (event.frame, KINDS.index(event.kind), event.parents, event.child or 0))


def _coalesced(event: Coalescence, tracks: dict[int, Track]) -> Event:
    y, x = tracks[event.child].place_F2[0].tolist()
    return Event("coalescence", event.frame, event.parents, event.child, y, x, event.before_px, event.after_px)


def _begun(track: Track, field: Field, reach: float, memory: int) -> Iterator[Event]:
    area, place = float(track.area_F[0]), track.place_F2[0]
    margin = float(np.sqrt(area / np.pi)) + reach
    before = range(track.first - 1 - memory, track.first)
    y, x = place.tolist()
    if track.first == 0:
        return
    if not track.whole_F[0] or any(field.near_edge(place, frame, margin) for frame in before):
        yield Event("entry", track.first, (), track.number, y, x, 0.0, area)
    elif track.first > memory and len(track) >= LASTING:
        yield Event("appearance", track.first, (), track.number, y, x, 0.0, area)


def _ended(track: Track, field: Field, reach: float, memory: int) -> Iterator[Event]:
    area, place = float(track.area_F[-1]), track.place_F2[-1]
    margin = float(np.sqrt(area / np.pi)) + reach
    after = range(track.last + 1, track.last + 2 + memory)
    y, x = place.tolist()
    if track.last == field.last:
        return
    if not track.whole_F[-1] or any(field.near_edge(place, frame, margin) for frame in after):
        yield Event("exit", track.last + 1, (track.number,), None, y, x, area, 0.0)
    elif track.last + memory < field.last and len(track) >= LASTING:
        yield Event("disappearance", track.last + 1, (track.number,), None, y, x, area, 0.0)
