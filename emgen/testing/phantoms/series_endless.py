"""A phantom specimen for runs without end: it sinters until half of its particles are left, then goes on as it is.

A series of known length plans its events in advance; here they come at a rate, and nothing of the past is kept, so that
a hundred thousand frames need the memory of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from emgen.testing.phantoms.series_motion import World

_ENDLESS = 10**9
_LEFT = 0.5
"""The share of the particles at which sintering ends. Without an end, one particle would take up all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What happens to the particles a frame.

    Attributes
    ----------
    growth: px by which each diameter grows, until the median is ``grown`` times what it was. Particles that come to
        touch coalesce.
    coalescences: pairs that set out to meet; ``turnover``: births, and as many deaths. Both over the whole specimen.
    """

    growth: float = 0.0
    grown: float = 2.0
    coalescences: float = 0.0
    turnover: float = 0.0


@dataclass(slots=True)
class EndlessWorld(World):
    """A ``World`` whose events come at a ``pace``; ``events`` are those of the last step."""

    pace: Pace = field(default_factory=Pace)
    sintered: bool = False
    _fewest: float = 0.0

    def fill(self) -> None:
        self.settings = replace(self.settings, frames=_ENDLESS)
        World.fill(self)
        self._fewest = _LEFT * len(self.particles)

    def _plan(self) -> None:
        self.events.clear()
        few = len(self.particles) <= self._fewest
        self.sintered = self.sintered or few
        if self.sintered:
            self.settings = replace(self.settings, ripening=0.0)
        turnover = self._due(self.pace.turnover)
        pairs = 0 if self.sintered else self._due(self.pace.coalescences)
        self._begin(pairs, max(turnover, int(few)), 0 if few else turnover)

    def _due(self, rate: float) -> int:
        return int(rate * self.frame) - int(rate * (self.frame - 1))

    def _resize(self) -> None:
        World._resize(self)
        pace, diameter = self.pace, self.settings.diameter
        if not self.sintered and pace.growth * self.frame <= (pace.grown - 1) * diameter:
            for p in self.particles.values():
                p.radius += pace.growth / 2
        if pace.growth:
            self._join_touching()

    def _join_touching(self) -> None:
        """Free particles that have grown into each other are partners from now on."""
        rows = list(self.particles.values())
        for a, b in _touching(np.array([p.place for p in rows]).reshape(-1, 2), np.array([p.radius for p in rows])):
            first, second = rows[a], rows[b]
            if self._is_free(first) and self._is_free(second):
                first.partner, second.partner = second.id, first.id
                first.contact = int(self.rng.integers(self.settings.contact + 1))

    def _wander(self) -> None:
        """None leaves the specimen, or it would be empty in the end."""
        World._wander(self)
        for p in self.particles.values():
            p.place = np.clip(p.place, 0, self.size_2)


def _touching(place_K2: NDArray[np.float64], radius_K: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs of rows whose discs overlap, in rising order."""
    from scipy.spatial import cKDTree

    if len(place_K2) < 2:
        return []
    pair_P2 = cKDTree(place_K2).query_pairs(2 * radius_K.max(), output_type="ndarray")
    gap_P = np.hypot(*np.diff(place_K2[pair_P2], axis=1)[:, 0].T) - radius_K[pair_P2].sum(1)
    return sorted((int(a), int(b)) for a, b in pair_P2[gap_P < 0])


def stage_places(drift: float, wander: float, reach: float, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """(y, x) in px where the specimen lies against the first frame, without end, never further than ``reach``.

    ``drift`` px a frame in a direction that ``rng`` draws, ``wander`` its standard deviation. At ``reach`` the drift
    turns back, as when an operator follows the specimen; else no specimen would be large enough.
    """
    angle = rng.uniform(0, 2 * np.pi)
    way = np.zeros(2)
    while True:
        yield reach - np.abs((way + reach) % (4 * reach) - 2 * reach) if reach else np.zeros(2)
        way = way + drift * np.array([np.sin(angle), np.cos(angle)]) + rng.normal(0, wander, 2)
