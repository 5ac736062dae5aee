"""From particles to tracks, by trackpy (Crocker and Grier, J. Colloid Interface Sci. 179 (1996) 298)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.errors import SpecError
from emgen.series.drift import ALIKE, Array, Points

if TYPE_CHECKING:
    import pandas

SMALLEST_SHARE, SHRINK = 0.25, 0.9
"""Where too many particles compete, trackpy makes the search range there smaller by ``SHRINK``, down to this share."""


LONGEST_MEMORY = 5
JUMP, JUMP_DIAMETERS = 2.5, 0.35


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a particle may move from frame to frame, and what it was chosen from (all px; NaN: nothing to tell)."""

    search_range: float
    diameter: float
    motion: float
    neighbour: float


def choose_reach(points_N: Sequence[Points], shift_N2: Array) -> Reach:
    """A search range from the data: half a median diameter, or three times the motion that is left once drift is
    taken out if that is more; at most half the distance to the nearest neighbour, but never less than that motion.

    The motion is the 95 % quantile of the distances between particles of two frames that are each other's nearest
    and of about one size.
    """
    moved, apart, diameters = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    for index, points in enumerate(points_N):
        diameters.append(np.sqrt(4 / np.pi * points.area_K))
        apart.append(_neighbours(points.place_K2))
        if index:
            moved.append(_motions(points_N[index - 1], points, shift_N2[index] - shift_N2[index - 1]))
    diameter, neighbour = (_quantile(np.concatenate(values), 0.5) for values in (diameters, apart))
    motion = _quantile(np.concatenate(moved), 0.95)
    wanted = np.nanmax([0.5 * diameter, 3 * motion, 1.0])
    allowed = np.nanmax([np.nanmin([wanted, 0.5 * neighbour]), np.nan_to_num(motion), 1.0])
    return Reach(float(allowed), diameter, motion, neighbour)


def link(place_N_K2: Iterable[Array], search_range: float, memory: int) -> NDArray[np.int64]:
    """Track numbers from 0 on, of all rows of all frames one after the other.

    Parameters
    ----------
    place_N_K2: drift-corrected places (y, x) of each frame. Linked as they come, so it may be a generator.
    memory: so many frames in a row a particle may be missed and still be the same.

    Raises ``SpecError`` where a particle could be so many that no best assignment is found.
    """
    import trackpy  # type: ignore[import-untyped]
    from trackpy.linking import link_iter  # type: ignore[import-untyped]
    from trackpy.linking.utils import SubnetOversizeException  # type: ignore[import-untyped]

    trackpy.quiet()
    settings: dict[str, Any] = {"memory": memory, "adaptive_stop": SMALLEST_SHARE * search_range}
    frames = enumerate(place_N_K2)
    numbers: list[int] = []
    try:
        for _, ids in link_iter(frames, search_range, adaptive_step=SHRINK, **settings):
            numbers += ids
    except SubnetOversizeException as error:
        raise SpecError(
            f"search range: {search_range:.3g} px is too far for particles that lie so close ({error}). "
            "Give a smaller --search-range."
        ) from error
    return np.array(numbers, np.int64)


def cut_at_jumps(table: pandas.DataFrame, diameter: float) -> NDArray[np.int64]:
    """Track numbers (``track``) anew, cut where a whole particle's area changes by more than ``JUMP`` from one
    appearance to the next, and its diameter by more than ``JUMP_DIAMETERS`` of the median.

    Two that coalesce at most double the area of the larger. What changes more is another particle, or a false one that
    the track took in over a gap.
    """
    rows = table.sort_values(["track", "frame"], kind="stable")
    area, whole = rows["area_px"].to_numpy(float), ~rows["border"].to_numpy(bool)
    width = np.sqrt(4 / np.pi * area)
    new = np.diff(rows["track"].to_numpy(np.int64), prepend=-1) != 0
    jump = (np.abs(np.diff(np.log(area))) > np.log(JUMP)) & (np.abs(np.diff(width)) > JUMP_DIAMETERS * diameter)
    new[1:] |= jump & whole[1:] & whole[:-1]
    numbers = np.empty(len(rows), np.int64)
    numbers[table.index.get_indexer(rows.index)] = np.cumsum(new) - 1
    return numbers


def miss_rate(frame_R: NDArray[np.int64], track_R: NDArray[np.int64]) -> float:
    """Share of a particle's frames in which it was not found, by the gaps that tracks bridge; one row a particle."""
    if not len(frame_R):
        return 0.0
    _, row = np.unique(track_R, return_inverse=True)
    first, last = np.full(row.max() + 1, np.iinfo(np.int64).max), np.full(row.max() + 1, -1)
    np.minimum.at(first, row, frame_R)
    np.maximum.at(last, row, frame_R)
    present = int((last - first + 1).sum())
    return 1 - len(frame_R) / present


def choose_memory(missed: float, found: int) -> int:
    """So many frames that chance should break less than half a track of the whole series, 1 to ``LONGEST_MEMORY``.

    missed: ``miss_rate``, found: particles of all frames together.

    >>> choose_memory(0.0, 2000), choose_memory(0.1, 2000), choose_memory(0.4, 2000)
    (1, 3, 5)
    """
    if missed <= 0:
        return 1
    frames = np.ceil(np.log(0.5 / max(found, 1)) / np.log(min(missed, 0.99))) - 1
    return int(np.clip(frames, 1, LONGEST_MEMORY))


def refined_drift(table: pandas.DataFrame, frames: int) -> Array:
    """(N, 2) what is left of the drift, by the tracks: correct places by it.

    From frame to frame the mean displacement of whole particles, weighted with their area (large ones move least on
    their own), without those over three robust standard deviations off. The same particles are compared in frame
    after frame, so that errors of their outlines do not add up. 0 where fewer than three tell.
    """
    rows = table[~table["border"].astype(bool)].sort_values(["track", "frame"], kind="stable")
    track, frame, y, x, area = rows[["track", "frame", "y", "x", "area_px"]].to_numpy(float).T
    next_one = (np.diff(track) == 0) & (np.diff(frame) == 1)
    moves = np.stack([np.diff(y), np.diff(x)], axis=1)[next_one]
    weight = np.sqrt(area[1:] * area[:-1])[next_one]
    after = frame[1:][next_one].astype(int)
    steps = np.zeros((frames, 2))
    for number in np.unique(after).tolist():
        steps[number] = _common(moves[after == number], weight[after == number])
    total: Array = steps.cumsum(axis=0)
    return total


def _common(moves_K2: Array, weight_K: Array) -> Array:
    if len(moves_K2) < 3:
        return np.zeros(2)
    off = np.hypot(*(moves_K2 - np.median(moves_K2, axis=0)).T)
    kept = off <= 3 * 1.4826 * np.median(off) + 1e-9
    mean: Array = (moves_K2[kept] * weight_K[kept, None]).sum(0) / weight_K[kept].sum()
    return mean


def _motions(before: Points, after: Points, shift_2: Array) -> Array:
    from scipy.spatial import KDTree

    if not len(before) or not len(after):
        return np.zeros(0)
    moved = before.place_K2 + shift_2
    distance, nearest = KDTree(after.place_K2).query(moved)
    mutual = KDTree(moved).query(after.place_K2)[1][nearest] == np.arange(len(moved))
    alike = np.abs(np.log(after.area_K[nearest] / before.area_K)) < ALIKE
    found: Array = distance[mutual & alike & before.whole_K & after.whole_K[nearest]]
    return found


def _neighbours(place_K2: Array) -> Array:
    from scipy.spatial import KDTree

    if len(place_K2) < 2:
        return np.zeros(0)
    found: Array = KDTree(place_K2).query(place_K2, 2)[0][:, 1]
    return found


def _quantile(values: Array, share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else float("nan")
