"""What happens to the particles of a phantom series: they wander, grow, meet, coalesce, appear and vanish.

Everything here is in the specimen's own coordinates (y, x in px); the stage's drift is no matter of the particles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["coalescence", "appearance", "disappearance"]
SMALLEST_RADIUS = 2.0
"""px; a particle below is gone, and one is born with it."""
_GAP = 3.0
"""px between the outlines of particles that are not to meet."""
_RELAX, _STRETCH = 0.6, 1.45
"""A particle just coalesced is so much longer than wide; the rest of its stretch is multiplied by the first a frame."""
_BIRTH_FRAMES, _FADE = 6, 0.72


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSettings:
    """An in-situ series: one specimen, one stage.

    Attributes
    ----------
    frames, shape_HW: of the series. ``particles``: in the field of view at the start, on average.
    diameter: median in px, ``spread``: standard deviation of its logarithm.
    drift: px that the stage drifts a frame, in a direction that the seed draws; ``wander``: standard deviation of the
        change from frame to frame; ``jumps``: how many sudden jumps, of up to ``jump`` px each.
    migration: px that a particle of median size moves a frame in each direction (standard deviation); others inversely
        to their diameter. ``ripening``: a radius changes by so many px a frame times 1 - mean radius / radius, as small
        particles dissolve and large ones grow.
    coalescences, births, deaths: how many over the specimen, spread over the series. Two that will coalesce approach
        with ``approach`` px a frame, touch for up to ``contact`` frames and become one, of their summed ``conserved``:
        volume (of spheres) or area.
    """

    frames: int = 40
    shape_HW: tuple[int, int] = (384, 384)
    particles: int = 60
    diameter: float = 16.0
    spread: float = 0.25
    drift: float = 2.0
    wander: float = 0.7
    jumps: int = 0
    jump: float = 0.0
    migration: float = 0.3
    ripening: float = 0.0
    coalescences: int = 15
    births: int = 6
    deaths: int = 6
    approach: float = 1.5
    contact: int = 2
    conserved: Literal["volume", "area"] = "volume"


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """What happened. ``frame``: the first in which it has (two are one, one is there, one is gone).

    ``parents``: two ids for a coalescence, the id for a disappearance, none for an appearance; ``child`` likewise.
    ``y``, ``x``: where on the specimen.
    """

    kind: Kind
    frame: int
    parents: tuple[int, ...]
    child: int | None
    y: float
    x: float


@dataclass(frozen=True, slots=True)
class Moment:
    """The particles of a frame, a row each: ``place_K2`` (y, x), ``stretch_K`` length over width, ``turn_K`` of it."""

    id_K: NDArray[np.int64]
    place_K2: NDArray[np.float64]
    radius_K: NDArray[np.float64]
    stretch_K: NDArray[np.float64]
    turn_K: NDArray[np.float64]


@dataclass(slots=True)
class _Particle:
    id: int
    place: NDArray[np.float64]
    radius: float
    stretch: float = 1.0
    turn: float = 0.0
    grows_to: float = 0.0
    fades: bool = False
    partner: int | None = None
    contact: int = 0


@dataclass(slots=True)
class World:
    """A stretch of specimen with its particles; ``step`` moves them on by one frame."""

    settings: SeriesSettings
    size_2: NDArray[np.float64]
    rng: np.random.Generator
    particles: dict[int, _Particle] = field(default_factory=dict)
    events: list[TruthEvent] = field(default_factory=list)
    frame: int = 0
    _next_id: int = 1

    def fill(self) -> None:
        """Particles at the settings' number per area, none touching another."""
        s = self.settings
        count = round(s.particles * self.size_2.prod() / (s.shape_HW[0] * s.shape_HW[1]))
        for radius in np.sort(s.diameter / 2 * self.rng.lognormal(0.0, s.spread, count))[::-1]:
            self._add(float(max(radius, 1.5 * SMALLEST_RADIUS)))

    def moment(self) -> Moment:
        rows = list(self.particles.values())
        columns = ([p.radius for p in rows], [p.stretch for p in rows], [p.turn for p in rows])
        place = np.array([p.place for p in rows], float).reshape(-1, 2)
        return Moment(np.array([p.id for p in rows], np.int64), place, *(np.array(c, float) for c in columns))

    def moments(self) -> Iterator[Moment]:
        """That of the first frame, of the second, and so on without end; each is made when it is asked for."""
        self.fill()
        while True:
            yield self.moment()
            self.step()

    def step(self) -> None:
        self.frame += 1
        self._plan()
        self._resize()
        self._wander()
        for pair in list(self._pairs()):
            self._approach(*pair)

    def _plan(self) -> None:
        """So many of the planned events begin now that they are spread evenly over the frames."""
        s = self.settings
        early = max(1, s.frames - 8)  # what begins in the last frames would not be seen to end
        if self.frame > early:
            return
        pairs, births, deaths = (
            int(count * self.frame / early) - int(count * (self.frame - 1) / early)
            for count in (s.coalescences, s.births, s.deaths)
        )
        self._begin(pairs, births, deaths)

    def _begin(self, pairs: int, births: int, deaths: int) -> None:
        for _ in range(pairs):
            self._pair_up()
        for _ in range(births):
            self._born()
        free = [p for p in self.particles.values() if self._is_free(p)]
        for index in self.rng.permutation(len(free))[:deaths]:
            free[index].fades = True

    def _is_free(self, p: _Particle) -> bool:
        return p.partner is None and not p.fades and not p.grows_to

    def _pair_up(self) -> None:
        """Two free neighbours that can meet in time; nothing stands between a particle and its nearest."""
        free = [p for p in self.particles.values() if self._is_free(p)]
        for index in self.rng.permutation(len(free)):
            first = free[index]
            second = min((p for p in free if p is not first), key=lambda p: _gap(first, p), default=None)
            if (
                second is not None
                and _gap(first, second) / self.settings.approach < self.settings.frames - self.frame - 4
            ):
                first.partner, second.partner = second.id, first.id
                first.contact = int(self.rng.integers(self.settings.contact + 1))
                return

    def _born(self) -> None:
        p = self._add(SMALLEST_RADIUS)
        if p is not None:
            p.grows_to = self.settings.diameter / 2 * float(self.rng.uniform(0.7, 1.1))
            self.events.append(TruthEvent("appearance", self.frame, (), p.id, *p.place.tolist()))

    def _resize(self) -> None:
        mean = float(np.mean([p.radius for p in self.particles.values()]))
        for p in list(self.particles.values()):
            p.radius += self.settings.ripening * (1 - mean / p.radius)
            if p.grows_to:
                p.radius += (p.grows_to - SMALLEST_RADIUS) / _BIRTH_FRAMES
                p.grows_to = 0.0 if p.radius >= p.grows_to else p.grows_to
            if p.fades:
                p.radius *= _FADE
            p.stretch = 1 + (p.stretch - 1) * _RELAX
            if p.partner is not None:
                p.radius = max(p.radius, SMALLEST_RADIUS)  # it is to coalesce, not to dissolve
            elif p.radius < SMALLEST_RADIUS:
                del self.particles[p.id]
                self.events.append(TruthEvent("disappearance", self.frame, (p.id,), None, *p.place.tolist()))

    def _wander(self) -> None:
        crowd = self._crowd()
        for row, p in enumerate(self.particles.values()):
            if p.partner is None:
                reach = self.settings.migration * self.settings.diameter / (2 * p.radius)
                place = p.place + self.rng.normal(0, min(reach, self.settings.diameter / 4), 2)
                if crowd.is_clear(place, p.radius, but=row):
                    p.place = crowd.place_K2[row] = place

    def _pairs(self) -> Iterator[tuple[_Particle, _Particle]]:
        for p in list(self.particles.values()):
            if p.partner is not None and p.id < p.partner:
                yield p, self.particles[p.partner]

    def _approach(self, first: _Particle, second: _Particle) -> None:
        gap = _gap(first, second)
        if gap > 0:
            way = second.place - first.place
            share = first.radius / (first.radius + second.radius)  # the smaller moves more
            move = way / np.hypot(*way) * min(self.settings.approach, gap + 0.5)
            first.place, second.place = first.place + move * (1 - share), second.place - move * share
        elif first.contact > 0:
            first.contact -= 1
        else:
            self._coalesce(first, second)

    def _coalesce(self, first: _Particle, second: _Particle) -> None:
        power = 3 if self.settings.conserved == "volume" else 2
        weights = np.array([first.radius, second.radius]) ** power
        place = (weights[0] * first.place + weights[1] * second.place) / weights.sum()
        way = second.place - first.place
        child = self._new(place, float(weights.sum() ** (1 / power)))
        likeness = min(first.radius, second.radius) / max(first.radius, second.radius)
        child.stretch, child.turn = 1 + (_STRETCH - 1) * likeness, float(np.arctan2(way[0], way[1]))
        del self.particles[first.id], self.particles[second.id]
        self.events.append(TruthEvent("coalescence", self.frame, (first.id, second.id), child.id, *place.tolist()))

    def _add(self, radius: float) -> _Particle | None:
        """At a random free place; None where none is found."""
        crowd = self._crowd()
        for _ in range(200):
            place = self.rng.uniform(0, self.size_2)
            if crowd.is_clear(place, max(radius, self.settings.diameter / 3)):
                return self._new(place, radius)
        return None

    def _new(self, place: NDArray[np.float64], radius: float) -> _Particle:
        p = _Particle(self._next_id, place, radius)
        self.particles[p.id] = p
        self._next_id += 1
        return p

    def _crowd(self) -> _Crowd:
        moment = self.moment()
        return _Crowd(moment.place_K2, moment.radius_K)


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Where all particles are, as arrays: asking each of them for each other takes most of a series' time."""

    place_K2: NDArray[np.float64]
    radius_K: NDArray[np.float64]

    def is_clear(self, place: NDArray[np.float64], radius: float, but: int | None = None) -> bool:
        """Whether none but that row comes near."""
        clear_K = np.hypot(*(self.place_K2 - place).T) > radius + _GAP + self.radius_K
        if but is not None:
            clear_K[but] = True
        return bool(clear_K.all())


def _gap(first: _Particle, second: _Particle) -> float:
    return float(np.hypot(*(first.place - second.place))) - first.radius - second.radius
