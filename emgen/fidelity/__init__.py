"""Label fidelity: does a virtual image show the particles that its label says?

Each labelled particle is measured against its own surroundings, in units of what the same measurement gives on the
image's bare background. Nothing here is trained, so nothing is trained on what it judges.

>>> import numpy as np
>>> from emgen.testing.phantoms import phantom_stack
>>> phantoms = phantom_stack(4, (96, 96), seed=0)
>>> images, labels = np.stack([p.image_HW for p in phantoms]), np.stack([p.label_HW for p in phantoms])
>>> pass_rate(images, labels, "bright") > 0.9 > pass_rate(images[::-1], labels, "bright")
True
"""

from emgen.fidelity.check import check, measure_all, pass_rate
from emgen.fidelity.correct import Corrected, correct
from emgen.fidelity.judge import FAULTS, Judged, Limits, Thresholds, judge
from emgen.fidelity.measure import Measured, Sizes, measure, sizes_of
from emgen.fidelity.rates import counts, rates
from emgen.fidelity.sift import Sifted, sift, training_label

__all__ = [
    "FAULTS",
    "Corrected",
    "Judged",
    "Limits",
    "Measured",
    "Sifted",
    "Sizes",
    "Thresholds",
    "check",
    "correct",
    "counts",
    "judge",
    "measure",
    "measure_all",
    "pass_rate",
    "rates",
    "sift",
    "sizes_of",
    "training_label",
]
