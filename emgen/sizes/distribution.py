"""The size distribution of a sample: as measured, and with each bias taken out, side by side, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.sizes.bootstrap import LEAST, replicates
from emgen.sizes.border import border_weights
from emgen.sizes.curves import Curves
from emgen.sizes.fits import Fit, fit_laws
from emgen.sizes.intervals import percentile, studentised
from emgen.sizes.response import ENOUGH, Response
from emgen.sizes.sample import SizeSample, Unit
from emgen.sizes.statistics import NAMES, QUANTILES, SMOOTH, log_moments, statistics

Array = NDArray[np.float64]

REPLICATES = 1000
_CURVES = 200
_GRID = 200
VARIANTS: Mapping[str, tuple[bool, bool]] = {
    "measured": (False, False),
    "border": (True, False),
    "detection": (False, True),
    "corrected": (True, True),
}
"""Name: (border bias taken out, the model's recall and size bias taken out)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A statistic with its 95 % interval; NaN where there is too little for one."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to look at the sample.

    Attributes
    ----------
    diameter_K, weight_K: sizes, and how many particles each stands for. estimates: by the names of
        ``statistics.NAMES``.
    per_area: particles per ``unit``². fits: the laws, the best first.
    grid_G, cumulative_G, low_G, high_G: share of particles below each size, with a 95 % band (pointwise).
    """

    name: str
    diameter_K: Array
    weight_K: Array
    estimates: dict[str, Estimate]
    per_area: float
    fits: list[Fit]
    grid_G: Array
    cumulative_G: Array
    low_G: Array
    high_G: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeDistribution:
    """All variants of one sample; ``corrected`` is there only where the model's response is known."""

    unit: Unit
    particles: int
    cut: int
    micrographs: int
    area: float
    seed: int
    variants: dict[str, Variant]
    notes: tuple[str, ...] = field(default=())

    @property
    def best(self) -> Variant:
        """The one with every correction that could be made."""
        return self.variants["corrected" if "corrected" in self.variants else "border"]

    def to_dict(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "particles": self.particles,
            "cut_by_the_edge": self.cut,
            "micrographs": self.micrographs,
            f"area_{self.unit}2": self.area,
            "seed": self.seed,
            "best": self.best.name,
            "variants": {name: _to_dict(variant, self.unit) for name, variant in self.variants.items()},
            "notes": list(self.notes),
        }


def size_distribution(
    sample: SizeSample,
    response: Response | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    laws: bool = True,
) -> SizeDistribution:
    """Statistics, 95 % intervals and fits of a sample, for each of ``VARIANTS`` that can be made.

    Parameters
    ----------
    response: what the model that found the particles does to sizes; its own uncertainty goes into the intervals.
    replicates: of the bootstrap over particles within micrographs. laws: whether to fit any.
    """
    notes = list(sample.notes)
    response, why = _usable(response, sample)
    notes += [why] if why else []
    if len(np.unique(sample.micrograph_K)) < LEAST:
        notes.append(f"particles in fewer than {LEAST} micrographs: the intervals do not hold how micrographs differ")
    names = [name for name, (_, detection) in VARIANTS.items() if response is not None or not detection]
    exact = response.curves() if response else None
    resampled: Sequence[Curves | None] = response.resampled(_CURVES, seed) if response else []
    variants = {}
    for name in names:
        border, detection = VARIANTS[name]
        corrected = apply(sample, exact if detection else None, border)
        grid_G = _grid(corrected[0])
        draws = _drawn(sample, resampled if detection else [None], border, replicates, seed)
        drawn = [_Replicate.of(one, grid_G) for one in draws]
        fits = fit_laws(*corrected, seed) if laws else []
        variants[name] = _variant(name, sample, corrected, grid_G, drawn, fits)
    return SizeDistribution(
        unit=sample.unit,
        particles=len(sample.diameter_K),
        cut=sample.cut,
        micrographs=sample.micrographs,
        area=sample.area,
        seed=seed,
        variants=variants,
        notes=tuple(notes),
    )


def apply(
    sample: SizeSample,
    curves: Curves | None,
    border: bool,
    drawn_K: NDArray[np.int64] | None = None,
    shift_K: Array | float = 0.0,
) -> tuple[Array, Array]:
    """(diameters, weights) of the particles drawn, their logarithms shifted, with the corrections asked for."""
    chosen = slice(None) if drawn_K is None else drawn_K
    stretch_K = np.exp(shift_K)
    diameter_K, box_K2 = sample.diameter_K[chosen] * stretch_K, sample.box_K2[chosen]
    micrograph_K = sample.micrograph_K[chosen]
    weight_K = np.ones(len(diameter_K))
    if curves is not None:
        log_scale_K = np.log(sample.scale_J[micrograph_K])
        x_K, weight_K = curves.undo(np.log(diameter_K) + log_scale_K)
        corrected_K = np.exp(x_K - log_scale_K)
        stretch_K, diameter_K = stretch_K * corrected_K / diameter_K, corrected_K
    if border:
        stretched_K2 = box_K2 * np.broadcast_to(stretch_K, diameter_K.shape)[:, None]
        weight_K = weight_K * border_weights(stretched_K2, sample.field_J2[micrograph_K])
    return diameter_K, weight_K


def _usable(response: Response | None, sample: SizeSample) -> tuple[Response | None, str]:
    if response is None:
        return None, ""
    if not response.usable:
        return None, f"the model found fewer than {ENOUGH} virtual particles: recall and size bias are not corrected"
    if not np.isfinite(sample.scale_J).all():
        return None, "the scale the model worked at is not known: recall and size bias are not corrected"
    return response, ""


def _drawn(
    sample: SizeSample, curves: Sequence[Curves | None], border: bool, number: int, seed: int
) -> Iterator[tuple[Array, Array]]:
    if len(sample.diameter_K) < 2:
        return
    weight_K = border_weights(sample.box_K2, sample.field_J2[sample.micrograph_K])
    log_K = np.log(sample.diameter_K)
    draws = replicates(log_K, sample.micrograph_K, weight_K, sample.micrographs, number, seed)
    for number, (drawn_K, shift_K) in enumerate(draws):
        yield apply(sample, curves[number % len(curves)], border, drawn_K, shift_K)


@dataclass(frozen=True, slots=True)
class _Replicate:
    """What is kept of a bootstrap replicate: its particles would be as many again as the sample's, a thousand times."""

    values: dict[str, float]
    moments: dict[str, tuple[float, float]]
    cumulative_G: Array

    @classmethod
    def of(cls, drawn: tuple[Array, Array], grid_G: Array) -> _Replicate:
        moments = log_moments(*drawn)
        return cls(statistics(*drawn, moments), moments, _share_below(grid_G, *drawn))


def _variant(
    name: str,
    sample: SizeSample,
    exact: tuple[Array, Array],
    grid_G: Array,
    drawn: Sequence[_Replicate],
    fits: list[Fit],
) -> Variant:
    diameter_K, weight_K = exact
    cumulative_G, low_G, high_G = _cumulative(exact, grid_G, drawn)
    return Variant(
        name=name,
        diameter_K=diameter_K,
        weight_K=weight_K,
        estimates=_estimates(exact, drawn),
        per_area=float(weight_K.sum()) / sample.area if sample.area else float("nan"),
        fits=fits,
        grid_G=grid_G,
        cumulative_G=cumulative_G,
        low_G=low_G,
        high_G=high_G,
    )


def _estimates(exact: tuple[Array, Array], drawn: Sequence[_Replicate]) -> dict[str, Estimate]:
    values = statistics(*exact)
    if not drawn:
        return {name: Estimate(value=values[name], low=float("nan"), high=float("nan")) for name in NAMES}
    here = log_moments(*exact)
    ends = {name: percentile([one.values[name] for one in drawn]) for name in QUANTILES}
    for name in SMOOTH:
        logs_B, errors_B = zip(*(one.moments[name] for one in drawn), strict=True)
        ends[name] = studentised(*here[name], logs_B, errors_B)
    return {name: Estimate(value=values[name], low=ends[name][0], high=ends[name][1]) for name in NAMES}


def _grid(diameter_K: Array) -> Array:
    grid_G: Array = np.linspace(0, 1.05 * float(diameter_K.max()), _GRID) if len(diameter_K) else np.zeros(0)
    return grid_G


def _cumulative(exact: tuple[Array, Array], grid_G: Array, drawn: Sequence[_Replicate]) -> tuple[Array, Array, Array]:
    if not len(exact[0]):
        return (np.zeros(0),) * 3
    cumulative_G = _share_below(grid_G, *exact)
    if not drawn:
        return cumulative_G, cumulative_G * np.nan, cumulative_G * np.nan
    low_G, high_G = np.quantile([one.cumulative_G for one in drawn], (0.025, 0.975), axis=0)
    return cumulative_G, low_G, high_G


def _share_below(grid_G: Array, diameter_K: Array, weight_K: Array) -> Array:
    order = np.argsort(diameter_K)
    total = np.r_[0, np.cumsum(weight_K[order])]
    share: Array = total[np.searchsorted(diameter_K[order], grid_G, side="right")] / total[-1]
    return share


def _to_dict(variant: Variant, unit: Unit) -> dict[str, Any]:
    border, detection = VARIANTS[variant.name]
    return {
        "border_corrected": border,
        "detection_corrected": detection,
        f"particles_per_{unit}2": variant.per_area,
        "estimates": {
            name: {"value": one.value, "low": one.low, "high": one.high} for name, one in variant.estimates.items()
        },
        "fits": [fit.to_dict() for fit in variant.fits],
    }
