"""Judges that know the probes' labels: are the particles as labelled, and as strong as real ones?

N, M: probes and real crops, the same ones for every candidate; H, W.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen import fidelity
from emgen.engine.judges import ENOUGH, jackknifed
from emgen.errors import NoImagesError
from emgen.fidelity.particles import COLUMNS
from emgen.selection import Criterion, Measured, leave_out
from emgen.selection.measure import GROUPS
from emgen.stages import FloatArray, LabelArray, Polarity

CONTRAST = Criterion("contrast", "Contrast of particles, distance", "lower", veto=True, tolerance=0.1)
FIDELITY = Criterion("fidelity", "Particles as labelled", "higher", veto=True, tolerance=0.02)


class Check:
    """The fidelity check's measurements of images against the same labels; it remembers those of the last images, so
    that both judges may ask."""

    def __init__(self, label_NHW: LabelArray, polarity: Polarity) -> None:
        self.label_NHW, self.polarity = label_NHW, polarity
        self._last: tuple[FloatArray, list[fidelity.Measured]] | None = None

    def of(self, image_NHW: FloatArray) -> list[fidelity.Measured]:
        if self._last is None or self._last[0] is not image_NHW:
            self._last = image_NHW, fidelity.measure_all(image_NHW, self.label_NHW, self.polarity)
        return self._last[1]


@dataclass
class ContrastJudge:
    """Are the particles as strong as real ones? By the brightness of labelled particles above what surrounds them.

    The distance is Wasserstein's between the contrasts under the probes' labels and those under the rough masks of
    real crops, over the median of the real ones; every image counts alike. A generator may draw particles that nobody
    could miss: they all are as labelled, and a network that learns from them finds no faint one.
    """

    check: Check
    real_MHW: FloatArray
    rough_MHW: LabelArray
    criterion: Criterion = CONTRAST

    def __post_init__(self) -> None:
        self._real = contrasts_by_image(Check(self.rough_MHW, self.check.polarity).of(self.real_MHW))
        found = np.concatenate(self._real)
        if len(found) < ENOUGH:
            raise NoImagesError(f"the rough masks hold only {len(found)} particles whose contrast is known")
        self._typical = float(np.median(found))
        if self._typical <= 0:
            raise NoImagesError("the particles of the rough masks have no contrast")

    def measure(self, image_NHW: FloatArray) -> Measured:
        return jackknifed(self._distance, contrasts_by_image(self.check.of(image_NHW)), self._real)

    def _distance(self, made: Sequence[NDArray[Any]], real: Sequence[NDArray[Any]]) -> float:
        from scipy.stats import wasserstein_distance

        drawn, wanted = np.concatenate(made), np.concatenate(real)
        if not len(drawn) or not len(wanted):
            return math.nan
        return float(wasserstein_distance(drawn, wanted, _weights(made), _weights(real)) / self._typical)


@dataclass
class FidelityJudge:
    """Do the images show what their labels say? The pass rate of the fidelity check, by particles."""

    check: Check
    criterion: Criterion = FIDELITY

    def measure(self, image_NHW: FloatArray) -> Measured:
        judged = fidelity.judge(self.check.of(image_NHW), fidelity.Limits())[0]
        parts = [judged, *([judged[i] for i in rows] for rows in leave_out(len(judged), min(GROUPS, len(judged))))]
        value, *without = [fidelity.rates(part)["pass_rate"] for part in parts]
        return Measured(value, tuple(without))


def contrasts_by_image(measured: Sequence[fidelity.Measured]) -> list[NDArray[np.float64]]:
    """Core less ring of the labelled particles that could be measured, in the image's units; bright is positive."""
    columns = [each.particles_K[:, COLUMNS.index("contrast")] for each in measured]
    return [column[np.isfinite(column)] for column in columns]


def _weights(by_image: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """One a particle: micrographs with many particles are no more than a scene each of what a generator draws."""
    return np.concatenate([np.full(len(each), 1 / max(len(each), 1)) for each in by_image])
