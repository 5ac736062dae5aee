"""Which tracks ended because their particles coalesced: two or more end, one goes on with about what they had.

What the one may have lies between two laws. Spheres that keep their volume show less area afterwards than the sum,
discs that keep their height show all of it:

    (a1^1.5 + a2^1.5)^(2/3)  <=  a  <=  a1 + a2

Both ends are widened by the noise of the areas, which the series itself shows from frame to frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas

Array = NDArray[np.float64]
FRAMES = 3
"""Areas before and after are medians over so many frames."""
SIGMAS = 3.0
MOST = 4
"""Tracks that end beside one particle at a time; more are not looked at."""
LEAST_NOISE = 0.02
"""Relative: a disc on a grid of pixels is never surer."""
LASTING = 2
"""A particle that ended was seen in so many frames, or nobody knows that it was one."""


@dataclass(frozen=True, slots=True)
class Coalescence:
    """``parents``: track numbers; ``child``: the track that they go on as, from ``frame`` on (it may be a parent's).

    ``before_px``: sum of the parents' areas, ``after_px``: area of the child; in standard errors: ``sigmas`` how far
    that lies outside of the two laws, ``cost`` from the middle between them.
    """

    frame: int
    parents: tuple[int, ...]
    child: int
    before_px: float
    after_px: float
    sigmas: float
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Track:
    """The frames in which a particle was found, drift-corrected places (y, x) and areas in px, whole or cut."""

    number: int
    frame_F: NDArray[np.int64]
    place_F2: Array
    area_F: Array
    whole_F: NDArray[np.bool_]

    @property
    def first(self) -> int:
        return int(self.frame_F[0])

    @property
    def last(self) -> int:
        return int(self.frame_F[-1])

    def until(self, frame: int) -> Track:
        return self._cut(self.frame_F <= frame)

    def since(self, frame: int) -> Track:
        return self._cut(self.frame_F >= frame)

    def _cut(self, kept: NDArray[np.bool_]) -> Track:
        return Track(self.number, self.frame_F[kept], self.place_F2[kept], self.area_F[kept], self.whole_F[kept])

    def __len__(self) -> int:
        return len(self.frame_F)


def tracks_of(table: pandas.DataFrame) -> list[Track]:
    """Of a table with ``track``, ``frame``, ``y``, ``x``, ``area_px`` and ``border``, by number."""
    found = []
    for _, rows in table.sort_values(["track", "frame"], kind="stable").groupby("track"):
        place, whole = rows[["y", "x"]].to_numpy(float), ~rows["border"].to_numpy(bool)
        frames, areas = rows["frame"].to_numpy(np.int64), rows["area_px"].to_numpy(float)
        found.append(Track(int(rows["track"].iloc[0]), frames, place, areas, whole))
    return found


def area_noise(tracks: Sequence[Track]) -> float:
    """Standard deviation in px of an equivalent diameter, from what areas of whole particles change frame to frame.

    The outline's noise: it is about the same in px for small and large particles, so that a particle of diameter d has
    a relative error of its area of twice this over d.
    """
    changes = [np.zeros(0)]
    for track in tracks:
        pairs = (np.diff(track.frame_F) == 1) & track.whole_F[1:] & track.whole_F[:-1]
        changes.append(np.diff(np.sqrt(4 / np.pi * track.area_F))[pairs])
    all_changes = np.concatenate(changes)
    return float(1.4826 * np.median(np.abs(all_changes)) / np.sqrt(2)) if len(all_changes) else 0.0


def find_coalescences(tracks: Sequence[Track], reach: float, memory: int, last_frame: int) -> list[Coalescence]:
    """In order of frames. A track ends once and begins once; of sets that fit alike the one that explains more endings.

    Parameters
    ----------
    reach: px that a particle may move from frame to frame. memory: frames that it may be missed.
    last_frame: of the series: a track that is there until then did not end.
    """
    noise = area_noise(tracks)
    endings = [track for track in tracks if track.last < last_frame and len(track) >= LASTING and track.whole_F[-1]]
    beside = _endings_beside(tracks, endings, reach, memory)
    offers = [offer for child in tracks for offer in _offers(child, beside.get(child.number, []), memory, noise)]
    ended: set[int] = set()
    begun: set[tuple[int, int]] = set()
    taken = []
    for offer in sorted(offers, key=lambda one: (one.sigmas, -len(one.parents), one.cost, one.frame)):
        gone = set(offer.parents) - {offer.child}
        if not gone & ended and (offer.child, offer.frame) not in begun:
            ended |= gone
            begun.add((offer.child, offer.frame))
            taken.append(offer)
    return sorted(taken, key=lambda one: (one.frame, one.child))


def _endings_beside(
    tracks: Sequence[Track], endings: Sequence[Track], reach: float, memory: int
) -> dict[int, list[Track]]:
    """For each track the endings whose last place it covers when it is next seen, the nearest first."""
    from scipy.spatial import KDTree

    frames: dict[int, list[tuple[Track, int]]] = {}
    for track in tracks:
        for row, frame in enumerate(track.frame_F.tolist()):
            frames.setdefault(frame, []).append((track, row))
    place = {frame: np.array([track.place_F2[row] for track, row in rows]) for frame, rows in frames.items()}
    widest = max((float(_radius(track.area_F.max())) for track in tracks), default=0.0)
    trees = {frame: KDTree(place[frame]) for frame in place}
    found: dict[int, list[tuple[float, Track]]] = {}
    for ending in endings:
        met = {ending.number}
        for frame in range(ending.last + 1, ending.last + 2 + memory):
            near = trees[frame].query_ball_point(ending.place_F2[-1], widest + reach) if frame in trees else []
            for track, row in (frames[frame][index] for index in near):
                distance = float(np.hypot(*(track.place_F2[row] - ending.place_F2[-1])))
                if track.number not in met and distance <= _radius(track.area_F[row]) + reach:
                    found.setdefault(track.number, []).append((distance, ending))
                    met.add(track.number)
    return {number: [one for _, one in sorted(near, key=lambda pair: pair[0])] for number, near in found.items()}


def _offers(child: Track, near: Sequence[Track], memory: int, noise: float) -> Iterator[Coalescence]:
    """Every set of tracks that ended beside the child and could have become it, at the likeliest frame.

    A track may have gone on unseen for up to ``memory`` frames.
    """
    for size in range(1, min(len(near), MOST) + 1):
        for chosen in combinations(near[:MOST], size):
            ends = [track.last for track in chosen]
            frames = range(max(ends) + 1, min(ends) + 2 + memory)
            offers = [_at(child, chosen, frame, noise) for frame in frames if frame in child.frame_F]
            likely = [one for one in offers if one is not None]
            if likely:
                yield min(likely, key=lambda one: (_spread(child, one.frame, FRAMES + memory), one.frame))


def _at(child: Track, chosen: Sequence[Track], frame: int, noise: float) -> Coalescence | None:
    own, later = child.until(frame - 1), child.since(frame)
    parents = [*([own] if len(own) else []), *chosen]
    return _weighed(parents, later, frame, noise) if len(parents) > 1 else None


def _spread(child: Track, frame: int, reach: int) -> float:
    """How much areas vary before and after: least at the frame of the step between them."""
    total = 0.0
    for part in (child.until(frame - 1), child.since(frame)):
        near = part.area_F[part.whole_F & (np.abs(part.frame_F - frame) <= reach)]
        total += float(np.abs(np.log(near) - np.log(np.median(near))).sum()) if len(near) else 0.0
    return total


def _weighed(parents: Sequence[Track], child: Track, frame: int, noise: float) -> Coalescence | None:
    """Whether the child has what the parents had, rather than what the largest of them had alone."""
    before = [_median(track, last=True) for track in parents]
    after = _median(child, last=False)
    if after is None or any(one is None for one in before):
        return None
    areas = np.array([one[0] for one in before if one is not None])
    errors = np.array([_error(*one, noise) for one in before if one is not None])
    low, high = float((areas**1.5).sum() ** (2 / 3)), float(areas.sum())
    error = float(np.sqrt(_error(*after, noise) ** 2 + ((errors * areas).sum() / areas.sum()) ** 2))
    found = float(np.log(after[0]))
    outside = max(np.log(low) - found, found - np.log(high), 0.0) / error
    middle = abs(found - (np.log(low) + np.log(high)) / 2) / error
    grown = (found - np.log(areas.max())) / max(np.log(low) - np.log(areas.max()), 1e-9)
    if outside > SIGMAS or grown < 0.5:
        return None
    numbers = tuple(sorted(track.number for track in parents))
    return Coalescence(frame, numbers, child.number, high, after[0], outside, middle)


def _median(track: Track, *, last: bool) -> tuple[float, int] | None:
    """Median area of the last or first few whole appearances, and of how many."""
    areas = track.area_F[track.whole_F]
    areas = areas[-FRAMES:] if last else areas[:FRAMES]
    return (float(np.median(areas)), len(areas)) if len(areas) else None


def _error(area: float, count: int, noise: float) -> float:
    """Relative standard error of a median area."""
    return float(max(noise / _radius(area), LEAST_NOISE) * np.sqrt(np.pi / 2 / count if count > 2 else 1 / count))


def _radius(area: Any) -> Any:
    return np.sqrt(area / np.pi)
