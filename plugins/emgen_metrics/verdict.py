"""Scores with what they are worth: interval, noise floor and verdict, under the names that every metric uses."""

from __future__ import annotations

from collections.abc import Callable

from emgen_metrics.two_sample import Comparison
from emgen_metrics.units import LEAST_GROUPS, LEAST_IMAGES, Units

ALPHA = 0.05


def scores(key: str, found: Comparison, unit: Units, scale: Callable[[float], float] = float) -> dict[str, float | str]:
    """``key``, ``key_low``, ``key_high``, ``key_floor``, ``key_p`` and ``verdict``, those that there are.

    ``scale``: an increasing function from MMD² to the unit of the score.
    """
    values = {"": found.value, "_low": found.low, "_high": found.high, "_floor": found.floor}
    result: dict[str, float | str] = {f"{key}{end}": scale(value) for end, value in values.items() if value is not None}
    if found.p is None:
        return {**result, "verdict": "no verdict: fewer than 4 real images"}
    result[f"{key}_p"] = found.p
    alike = found.p > ALPHA if unit.count >= LEAST_IMAGES else found.value <= (found.floor or 0.0)
    return {**result, "verdict": verdict(alike, unit)}


def verdict(alike: bool, unit: Units) -> str:
    """In words. Crops of few micrographs hang together, so a difference that shows as if they did not proves little;
    that none shows is all the more true."""
    if alike:
        return "not distinguishable"
    if unit.count < LEAST_IMAGES:
        return f"no verdict: fewer than {LEAST_IMAGES} real images"
    if unit.too_few is None:
        return "distinguishable"
    few = _micrographs(unit.too_few)
    return f"no verdict: it differs more than crops of the same {few} do; it takes {LEAST_GROUPS} to tell"


def _micrographs(count: int) -> str:
    return "micrograph" if count == 1 else f"{count} micrographs"
