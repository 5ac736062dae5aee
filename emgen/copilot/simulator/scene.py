"""The frames, drawn one after the other when they are asked for; nothing of the past is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.copilot.simulator.frame import Facts, Frame, measured
from emgen.copilot.simulator.settings import DOSE_RANGE, Simulation
from emgen.stages import FloatArray
from emgen.testing.phantoms import imaging
from emgen.testing.phantoms.series_drawing import Pen, clean_image, paint, window_linear
from emgen.testing.phantoms.series_endless import EndlessWorld, Pace, stage_places
from emgen.testing.phantoms.series_motion import Moment, SeriesSettings
from emgen.testing.phantoms.settings import PhantomSettings
from emgen.testing.phantoms.supports import support_thickness

_MARGIN, _REACH = 2.0, 0.25
"""Of the specimen around what the field passes over, in diameters; how far the stage drifts, in image sides."""
_PEDESTAL, _MIDTONE = 200.0, 6000.0
"""Grey value of no electron, and what the support's mean brightness adds at the highest dose; well below 65535."""


def frames(settings: Simulation) -> Iterator[Frame]:
    """The run's frames; the same settings give the same."""
    reach = _reach(settings)
    margin = _MARGIN * settings.diameter
    size_2 = np.array(settings.shape_HW) + 2.0 * (reach + margin)
    places = stage_places(settings.drift, settings.wander, reach, np.random.default_rng([settings.seed, 15]))
    camera = _Camera(settings, size_2)
    moments = specimen(settings, size_2).moments()
    for index in count() if settings.frames is None else range(settings.frames):
        yield camera.taken(index, next(moments), next(places), reach + margin)


def _reach(s: Simulation) -> float:
    """px that the stage may drift to either side."""
    furthest = np.inf if s.frames is None else s.frames * s.drift + 5 * s.wander * np.sqrt(s.frames)
    return float(min(_REACH * min(s.shape_HW), furthest))


def specimen(s: Simulation, size_2: NDArray[np.float64]) -> EndlessWorld:
    """Its particles, on an area of that size in px."""
    particles = SeriesSettings(
        shape_HW=s.shape_HW, particles=s.particles, diameter=s.diameter, spread=s.spread, ripening=s.ripening
    )
    pace = Pace(growth=s.growth, grown=s.grown, coalescences=s.coalescences, turnover=s.turnover)
    return EndlessWorld(particles, size_2, np.random.default_rng([s.seed, 5]), pace=pace)


@dataclass(slots=True)
class _Camera:
    """One support, one or two looks, one gain."""

    settings: Simulation
    looks: tuple[PhantomSettings, PhantomSettings]
    support_WW: FloatArray
    gain: float

    def __init__(self, settings: Simulation, size_2: NDArray[np.float64]) -> None:
        self.settings = settings
        self.looks = (settings.look_of(0), settings.look_of((settings.change_at or 1) - 1))
        whole = (int(np.ceil(size_2[0])) + 2, int(np.ceil(size_2[1])) + 2)
        self.support_WW = support_thickness(whole, self.looks[0], np.random.default_rng([settings.seed, 9]))
        rise = min(settings.dose_ramp ** min(settings.frames or 1000, 1000), DOSE_RANGE[1])
        self.gain = _MIDTONE / (max(look.dose for look in self.looks) * max(rise, 1.0))

    def taken(self, index: int, moment: Moment, place_2: NDArray[np.float64], origin: float) -> Frame:
        s, look, blur = self.settings, self.look(index), min(self.settings.defocus * index, self.settings.defocus_most)
        seen = replace(look, blur=float(np.hypot(look.blur, blur)))
        rng = np.random.default_rng([s.seed, 7, index])
        corner_2 = origin - place_2
        painting = paint(moment, corner_2, s.shape_HW, Pen(s.seed, look.contrast, s.diameter), index)
        support_HW = window_linear(self.support_WW, corner_2, s.shape_HW)
        scan_HW = imaging.record(clean_image(support_HW, painting.depth_HW, seen, rng), seen, rng)
        facts = Facts(
            number=index + 1,
            modality=look.modality,
            pixel_size_nm=s.pixel_size_nm,
            defocus=blur,
            dose=look.dose,
            drift_2=(float(place_2[0]), float(place_2[1])),
            **measured(painting.label_HW),
        )
        return Frame(self._digitised(scan_HW, seen), painting.label_HW, facts)

    def look(self, index: int) -> PhantomSettings:
        """With the dose of that frame."""
        s = self.settings
        look = self.looks[s.change_at is not None and index + 1 >= s.change_at]
        low, high = DOSE_RANGE
        exponent = np.clip(index * np.log(s.dose_ramp), np.log(low), np.log(high))
        return replace(look, dose=float(look.dose * np.exp(exponent)))

    def _digitised(self, scan_HW: FloatArray, look: PhantomSettings) -> NDArray[Any]:
        """Counts of a detector that keeps its gain, or the levels of an exported picture."""
        if self.settings.dtype == "uint8" and self.settings.suffix == ".tif":
            return np.round(imaging.display(scan_HW, look) * 255).astype(np.uint8)
        counts = scan_HW * np.float32(look.dose * self.gain)
        counts += np.float32(_PEDESTAL + 0.5)
        return np.clip(counts, 0, 65_535, out=counts).astype(np.uint16)
