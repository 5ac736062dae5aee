"""Hand labels, simulated: exact instances with the errors of somebody who outlines particles by eye.

Faint particles are missed, outlines are off at random and by habit, touching particles are sometimes drawn as one, a
clump of support is now and then taken for a particle. ``calibrate`` sets how large the errors are, so that two
simulated labels of one micrograph agree as well as two real ones do.

>>> import numpy as np
>>> from emgen.testing.phantoms import phantom_stack
>>> stack = phantom_stack(1, (96, 96), seed=5)
>>> labels, images = [phantom.label_HW for phantom in stack], [phantom.image_HW for phantom in stack]
>>> by_hand = label_stack(labels, images, np.random.default_rng(0), Annotator())
>>> 0 < agreement(by_hand[0], labels[0]).foreground_iou < 1
True
"""

from __future__ import annotations

from emgen.study.agreement import REAL_AGREEMENT, Agreement, agreement, mean_agreement
from emgen.study.annotator import Annotator, draw_labels, label_stack, simulate_labels
from emgen.study.calibrate import Calibration, calibrate, calibration
from emgen.study.scene import Scene, read_scene

__all__ = [
    "REAL_AGREEMENT",
    "Agreement",
    "Annotator",
    "Calibration",
    "Scene",
    "agreement",
    "calibrate",
    "calibration",
    "draw_labels",
    "label_stack",
    "mean_agreement",
    "read_scene",
    "simulate_labels",
]
