"""Spots outside every label: what may be an invented particle, and what the support itself has of the kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.fidelity.field import Field
from emgen.fidelity.null import Nothing
from emgen.fidelity.shape import disc, features

MOST = 12
"""Spots an image that are looked at: the strongest."""
COLUMNS = ("y", "x", "radius", "score", "contrast")


def measure_spots(
    field: Field, nothing: Nothing, radii: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(S, 5) ``COLUMNS`` of the strongest spots outside the labels, best first, at the given radii in px, and the same
    of spots of the opposite contrast, which no particle has: what the support makes by chance."""
    found: dict[int, list[tuple[float, ...]]] = {1: [], -1: []}
    for radius in radii:
        if (observer := nothing.of(radius)) is None:
            continue
        response_HW = _response(field, radius)
        for sign, rows in found.items():
            places = _peaks(sign * response_HW, field.free_HW, radius)
            values, usable = features(field, field.free, disc(round(radius, 1)), places)
            scores = sign * observer(values)
            contrast = sign * values[:, 0] * field.spread_HW[places[:, 0], places[:, 1]]
            rows += [(*places[n], radius, scores[n], contrast[n]) for n in np.flatnonzero(usable)]
    bright, dark = (_apart(sorted(rows, key=lambda spot: -spot[3])) for rows in found.values())
    return bright, dark


def _response(field: Field, radius: float) -> NDArray[np.float32]:
    """(H, W) difference of Gaussians of the particle's size, relative to the local spread."""
    from scipy.ndimage import gaussian_filter

    inner, outer = (
        gaussian_filter(field.filled_HW, sigma, mode="nearest", truncate=2.5) for sigma in (radius / 1.5, radius)
    )
    response: NDArray[np.float32] = (inner - outer) / field.spread_HW
    return response


def _peaks(response_HW: NDArray[Any], free_HW: NDArray[np.float32], radius: float) -> NDArray[np.int64]:
    """(S, 2) places of the highest maxima on background."""
    from scipy.ndimage import maximum_filter

    peaks = (response_HW == maximum_filter(response_HW, 2 * int(radius) + 1)) & (response_HW > 0) & (free_HW > 0)
    places = np.argwhere(peaks)
    return places[np.argsort(-response_HW[peaks], kind="stable")[:MOST]]


def _apart(spots: list[tuple[float, ...]]) -> NDArray[np.float64]:
    """Each spot once: the strongest of those that overlap."""
    kept: list[tuple[float, ...]] = []
    for spot in spots:
        if all(np.hypot(spot[0] - k[0], spot[1] - k[1]) > max(spot[2], k[2]) for k in kept):
            kept.append(spot)
        if len(kept) == MOST:
            break
    return np.array(kept, np.float64).reshape(-1, len(COLUMNS))
