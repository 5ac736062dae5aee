"""The rough segmenter `threshold` with one threshold for the whole image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from emgen.stages import Context
from emgen_segmenters.config import ThresholdConfig
from emgen_segmenters.threshold import Threshold


@pytest.mark.parametrize("polarity", ["bright", "dark"])
def test_strong_particles_on_an_even_background_are_outlined_closely(polarity):
    y, x = np.mgrid[:256, :256]
    centres = [(60, 60), (60, 190), (150, 120), (215, 60), (215, 100)]
    truth = np.zeros((256, 256), bool)
    for cy, cx in centres:
        truth |= (y - cy) ** 2 + (x - cx) ** 2 <= 21**2
    image = 0.3 + 0.3 * truth + np.random.default_rng(0).normal(0, 0.15, truth.shape)
    image = ndi.gaussian_filter(np.clip(image, 0, 1), 0.7).astype(np.float32)
    shown = 1 - image if polarity == "dark" else image
    segmenter = Threshold(ThresholdConfig(method="global"), Context(polarity=polarity))
    label = segmenter.segment(shown[None])[0]
    assert ((label > 0) & truth).sum() / ((label > 0) | truth).sum() > 0.93
    assert label.max() == 5  # the two that touch are split
